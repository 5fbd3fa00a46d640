"""structlog without what it loads for colours and tracebacks that we make ourselves (`line_forms`).

It takes `rich` and `colorama` where they are installed, which is 3 MiB of every process and a twentieth of a start.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

__all__ = ["structlog"]


@contextlib.contextmanager
def _absent(*names: str) -> Iterator[None]:
    """While this lasts, none of these can be imported that was not before."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what the import system takes for "there is none"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


with _absent("rich", "colorama"):
    import structlog
