"""Name the Pythons of this machine that Gatecrier runs on, the oldest first: a line of version and path each.

    python3 .ci/pythons.py

Looks for `python3` and `python3.N` in every folder of PATH, and for what pyenv has installed. Each candidate is asked
for its own version: a name may be a shim that starts nothing, a link, or a Python of a virtual environment, which says
where the Python is that it was made from. One that can make no environment with pip is left out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

OLDEST = (3, 11)
"""As `requires-python` in pyproject.toml says."""
ASK = """
import os, sys, importlib.util
able = any(importlib.util.find_spec(name) for name in ("ensurepip", "pip")) and importlib.util.find_spec("venv")
final = sys.implementation.name == "cpython" and sys.version_info.releaselevel == "final"
path = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
print(*sys.version_info[:3], path) if able and final else None
"""


def candidates(path: str, home: Path) -> list[Path]:
    """What may be a Python, by its name."""
    folders = [Path(folder) for folder in path.split(os.pathsep) if folder]
    folders += sorted(home.glob(".pyenv/versions/3.*/bin"))
    named = re.compile(r"python3(\.\d+)?")
    return [
        one
        for folder in folders
        if folder.is_dir()
        for one in sorted(folder.glob("python3*"))
        if named.fullmatch(one.name) and os.access(one, os.X_OK)
    ]


def found(path: str, home: Path) -> list[tuple[tuple[int, ...], str]]:
    """Version and path of each, the oldest first; of equal versions the first that PATH names."""
    pythons: dict[tuple[int, ...], str] = {}
    for candidate in candidates(path, home):
        command = [str(candidate), "-I", "-c", ASK]
        try:
            said = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603 - a Python
        except (OSError, subprocess.TimeoutExpired):
            continue  # whatever it is, it is no Python
        *version, where = (
            said.stdout.strip().split(" ", 3) if said.returncode == 0 and said.stdout.strip() else ("0", "")
        )
        numbers = tuple(map(int, version))
        if numbers >= OLDEST:
            pythons.setdefault(numbers, where)
    return sorted(pythons.items())


if __name__ == "__main__":
    pythons = found(os.environ.get("PATH", ""), Path.home())
    sys.stdout.writelines(f"{'.'.join(map(str, version))} {where}\n" for version, where in pythons)
    sys.exit(0 if pythons else "no Python of 3.11 or newer was found")
