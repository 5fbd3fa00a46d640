"""Make a virtual environment with pip, also where the distribution left `ensurepip` out.

    python3 .ci/new_environment.py FOLDER

Debian and Ubuntu put `ensurepip` into a package of its own (python3-venv). Where it is missing, pip is taken from a
pip that is installed beside Python, else the error says which package to install.
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
    if importlib.util.find_spec("pip") is None:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(  # noqa: T201 - a command's message
            f"This Python can't make virtual environments with pip. Install it, for example:\n"
            f"  apt-get install python{version}-venv   (or python3-venv)",
            file=sys.stderr,
        )
        return 1
    venv.create(folder, with_pip=False)
    command = [sys.executable, "-m", "pip", "--quiet", "--python", str(folder / "bin" / "python"), "install", "pip"]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - our own words only


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
