"""Metrics for operators: counters that cost a request almost nothing, and their form for Prometheus."""
