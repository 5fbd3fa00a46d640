"""The two commands run on every Python that is claimed, however it came to the machine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CLAIMED = re.findall(r"Programming Language :: Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))


def program(path: Path, *lines: str) -> None:
    """A script that runs these lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


def pythons(home: Path, *folders: Path) -> list[str]:
    """What is found with these folders on PATH."""
    command = [sys.executable, str(ROOT / ".ci" / "pythons.py")]
    surroundings = {"HOME": str(home), "PATH": os.pathsep.join(map(str, folders))}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    return done.stdout.splitlines()


def test_every_python_is_found_once_and_the_oldest_comes_first(tmp_path: Path) -> None:
    """By number: 3.9 is older than 3.11, and 3.11.10 is newer than 3.11.2."""
    path, versions = tmp_path / "bin", tmp_path / ".pyenv" / "versions"
    program(path / "python3", "echo 3 11 10 /one")
    program(path / "python3.11", "echo 3 11 10 /two")
    program(path / "python3.9", "echo 3 9 1 /old")
    program(versions / "3.14.0" / "bin" / "python3.14", "echo 3 14 0 /with a space")
    program(versions / "3.11.2" / "bin" / "python3", "echo 3 11 2 /three")

    assert pythons(tmp_path, path) == ["3.11.2 /three", "3.11.10 /one", "3.14.0 /with a space"]


def test_what_is_called_python_and_is_none_is_passed_over(tmp_path: Path) -> None:
    """A shim for a version that is not chosen, a file for another machine, one that can make no environment."""
    path = tmp_path / "bin"
    program(path / "python3.11", "echo 'pyenv: python3.11: command not found' >&2", "exit 127")
    program(path / "python3.12", "exit 0")
    (path / "python3.13").write_bytes(b"\x7fNOTELF")
    (path / "python3.13").chmod(0o755)
    program(path / "python3-config", "echo 3 12 1 /config")
    program(path / "python3.14", "echo 3 14 0 /good")

    assert pythons(tmp_path, path, tmp_path / "nowhere") == ["3.14.0 /good"]


def test_a_python_says_its_version_and_where_it_is(tmp_path: Path) -> None:
    """That of a virtual environment names the one that it was made from."""
    (tmp_path / "python3").symlink_to(sys.executable)
    version = ".".join(map(str, sys.version_info[:3]))
    (line,) = pythons(tmp_path, tmp_path)

    assert line.startswith(f"{version} /")
    assert Path(line.split(" ", 1)[1]).is_file()


def test_an_environment_is_made_by_a_pip_of_any_age(tmp_path: Path) -> None:
    """Debian and Ubuntu leave ensurepip out, and Ubuntu 22.04's pip can't install for another Python."""
    pip = tmp_path / "path" / "pip"
    pip.mkdir(parents=True)
    (pip / "__init__.py").touch()
    (pip / "__main__.py").write_text("import sys; print(sys.prefix, *sys.argv[1:])")
    without = (
        "import runpy, sys; sys.modules['ensurepip'] = None; sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    folder = tmp_path / "environment"
    done = subprocess.run(
        [sys.executable, "-c", without, str(ROOT / ".ci" / "new_environment.py"), str(folder)],
        env={**os.environ, "PYTHONPATH": str(pip.parent)}, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == [str(folder), "--quiet", "install", "--ignore-installed", "pip"]


def test_both_commands_take_another_python_and_another_folder() -> None:
    plain = {
        name: value for name, value in os.environ.items() if not name.startswith("MAKE")
    }  # not of a make around us
    for target in ("test", "demo"):
        command = ["make", "--dry-run", "--always-make", target, "PYTHON=/opt/python3.14", "VENV=.venv-of-it"]
        done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, check=True)

        assert "/opt/python3.14 .ci/new_environment.py .venv-of-it" in done.stdout
        assert ".venv/" not in done.stdout


def test_the_oldest_python_is_the_same_wherever_it_is_named() -> None:
    oldest = CLAIMED[0]
    search = (ROOT / ".ci" / "pythons.py").read_text()
    makefile = (ROOT / "Makefile").read_text()

    assert PROJECT["requires-python"] == f">={oldest}"
    assert f"OLDEST = ({oldest.replace('.', ', ')})" in search
    assert f"sys.version_info < ({oldest.replace('.', ', ')})" in makefile
    assert f"--python-version {oldest} " in makefile


def test_the_image_has_a_python_that_is_claimed() -> None:
    (version,) = set(re.findall(r"python:(3\.\d+)-slim", (ROOT / "Dockerfile").read_text()))

    assert version in CLAIMED
