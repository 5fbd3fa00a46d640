"""Make a virtual environment with pip, also where the distribution left `ensurepip` out.

    python3 .ci/new_environment.py FOLDER

Debian and Ubuntu put `ensurepip` into a package of its own (python3-venv). Where it is missing, the new environment's
Python runs the pip that is installed beside Python to get one of its own, else the error says which package to install.
That way any pip will do: only 22.3 and newer can install for another Python (`--python`), and Ubuntu 22.04 has 22.0.
"""

import importlib.util
import subprocess
import sys
import venv
from pathlib import Path


def main(folder: Path) -> int:
    """Make the environment; returns the exit code."""
    if importlib.util.find_spec("ensurepip") is not None:
        venv.create(folder, with_pip=True)
        return 0
    pip = importlib.util.find_spec("pip")
    if pip is None or pip.origin is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(  # noqa: T201 - a command's message
            f"This Python can't make virtual environments with pip. Install it, for example:\n"
            f"  apt-get install python{version}-venv   (or python3-venv)",
            file=sys.stderr,
        )
        return 1
    venv.create(folder, with_pip=False)
    # --ignore-installed: the pip that runs stands on the path then, and would be taken for one that is installed.
    command = [str(folder / "bin" / "python"), str(Path(pip.origin).parent), "--quiet", "install", "--ignore-installed"]
    return subprocess.run([*command, "pip"], check=False).returncode  # noqa: S603 - our own words only


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
