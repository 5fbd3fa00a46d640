"""Small worlds that stand in for what a cluster has around the router."""
