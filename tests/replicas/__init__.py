"""Claims about several replicas that are one to people."""
