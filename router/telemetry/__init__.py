"""What operators see of the running router: logs, metrics and their names."""
