"""Files that a command line names."""

from __future__ import annotations

from pathlib import Path


def may_be_file(path: Path) -> bool:
    """Whether there is such a file; also where that can't be learnt, so that reading it says why."""
    try:
        return path.is_file()
    except OSError:
        return True
