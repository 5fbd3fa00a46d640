"""Kubernetes asks, we answer."""
