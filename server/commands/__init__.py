"""The commands of `windsock`, by subject. The modules import only click; a command imports the rest when it runs."""
