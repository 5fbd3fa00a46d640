"""User and password as HTTP sends them: to registries, and to proxies (RFC 7617). Pure."""

from __future__ import annotations

import base64


def basic_authorization(user: str, password: str) -> str:
    """The value of `Authorization` or `Proxy-Authorization`."""
    return f"Basic {basic_credentials(user, password)}"


def basic_credentials(user: str, password: str) -> str:
    """The part of it that is secret."""
    return base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
