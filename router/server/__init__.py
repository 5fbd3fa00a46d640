"""Listens with TLS, reloads certificates, answers probes and metrics, drains on SIGTERM."""
