"""What the library of our log loads."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOADED = """
import sys
import router.telemetry.logs

print([name for name in ("rich", "colorama") if name in sys.modules])
"""


def test_what_is_installed_for_developers_is_not_loaded() -> None:
    """Every process would have it, and a start would wait for it."""
    assert importlib.util.find_spec("rich") is not None
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "[]\n"
