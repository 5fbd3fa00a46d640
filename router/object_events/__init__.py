"""Kubernetes Events on what was refused or would be, so that `kubectl describe` tells developers; best effort."""
