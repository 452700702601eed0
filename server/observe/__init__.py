"""What an operator sees: counters that cost a request next to nothing, and their form for Prometheus."""
