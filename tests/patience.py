"""How long a test waits for what should happen in a moment."""

from __future__ import annotations

PATIENCE = 60.0
"""Seconds after which something that should happen will not: no claim of any test. They are only waited for where a
test fails; a machine that is busy takes seconds for what takes milliseconds elsewhere."""
