"""Writes a whole file in place of another: whoever reads gets the one or the other, also after a crash."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

PRIVATE = 0o600


def write_whole(path: Path, body: bytes, mode: int = PRIVATE) -> None:
    """Write a file in a folder that is there; what stands at its name is replaced, and no link is followed.

    Raises:
        OSError: It can't be written; then nothing has changed.
    """
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(body)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        Path(fresh).replace(path)
    except OSError:
        Path(fresh).unlink(missing_ok=True)
        raise
