"""What is read before processes are forked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from router.settings.beforehand import read_beforehand
from router.settings.loading import Loaded

ROOT = Path(__file__).parents[2]
BUILT = """
from router.assembly.serving import roles
from router.settings.tree import GateSettings, KeeperSettings, Settings

roles()
print([tree.__pydantic_complete__ for tree in (Settings, GateSettings, KeeperSettings)])
"""


def test_the_small_configuration_is_one() -> None:
    """What is refused builds nothing, and every process would build it for itself."""
    assert isinstance(read_beforehand(), Loaded)


def test_whoever_forks_has_built_all_validators() -> None:
    """A nursery that is a fresh interpreter is no exception."""
    done = subprocess.run(
        [sys.executable, "-c", BUILT], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout == "[True, True, True]\n"
