"""What tests of destinations share with those of incidents."""

from __future__ import annotations

from tests.incidents.conftest import world

__all__ = ["world"]
