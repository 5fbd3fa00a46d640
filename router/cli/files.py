"""Files that a command line names: whether they are there, and why they can't be read, in words."""

from __future__ import annotations

from pathlib import Path


def may_be_file(path: Path) -> bool:
    """Whether there is such a file; also where that can't be learnt, so that reading it says why."""
    try:
        return path.is_file()
    except OSError:
        return True


def why_unread(error: OSError | ValueError) -> str:
    """Why a file can't be read, or can't be a text."""
    match error:
        case OSError():
            return error.strerror or str(error)
        case UnicodeDecodeError():
            return f"the byte 0x{error.object[error.start]:02x} is not UTF-8; save the file as UTF-8"
        case _:
            return str(error)
