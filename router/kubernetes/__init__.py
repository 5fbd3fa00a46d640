"""What we ask the cluster's API: a thin client, for the keeper and for scans; no gate waits for it."""
