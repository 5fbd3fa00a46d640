"""What we ask the cluster's API: a thin client, in the keeper only; no gate waits for it."""
