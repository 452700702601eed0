"""The log files of tasks: one module writes them, one reads them, one opens them safely."""
