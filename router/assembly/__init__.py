"""Builds and runs the router from a configuration; the only package that knows every concrete class."""

from router.assembly.running import Router
from router.assembly.serving import serve

__all__ = ["Router", "serve"]
