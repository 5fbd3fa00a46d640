"""Runs the fuzz targets by atheris: `python -m tests.fuzz [--seconds 60] [TARGET ...]`, each in a process of its own.

What is found stands in `.fuzz/TARGET/`, and becomes a part of the corpus and of the tests when it is put into
`tests/fuzz/found/TARGET/`. The exit code is 1 where anything was found, 2 where it can't run.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import re
import subprocess
import sys
import time
from pathlib import Path

_FOLDER = Path(".fuzz")
_NO_ATHERIS = (
    "atheris is not there. It has wheels for CPython 3.11 to 3.14 on Linux on x86-64 only; `make fuzz` installs it\n"
    "from requirements-fuzz.lock with one of these: make fuzz PYTHON=python3.11 VENV=.venv-fuzz\n"
)
_LARGEST = 65_536
_INPUT_SECONDS = 20
"""After which libFuzzer itself ends a run."""
_MEGABYTES = 2048


def main(arguments: list[str]) -> int:
    """Run some targets, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (60)")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if importlib.util.find_spec("atheris") is None:
        sys.stderr.write(_NO_ATHERIS)
        return 2
    if asked.here:
        return _fuzz(asked.targets[0], asked.seconds)
    from tests.fuzz.readers import targets

    known = targets()
    if unknown := [name for name in asked.targets if name not in known]:
        sys.stderr.write(f"there is no target {unknown[0]!r}; there are {', '.join(known)}\n")
        return 2
    codes = [_in_a_process(name, asked.seconds) for name in asked.targets or known]
    return int(any(codes))


def _in_a_process(name: str, seconds: int) -> int:
    """Run one target; say what came of it in a line, and all where something was found."""
    begin = time.monotonic()
    command = [sys.executable, "-m", "tests.fuzz", "--here", "--seconds", str(seconds), name]
    ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    told = ended.stdout.decode(errors="replace")
    runs = re.findall(r"#(\d+)\s", told)
    covered = re.findall(r"cov: (\d+)", told)
    verdict = "nothing found" if not ended.returncode else f"FOUND something, see {_FOLDER / name}"
    sys.stdout.write(
        f"{name:20} {runs[-1] if runs else '0':>9} inputs  {covered[-1] if covered else '0':>6} edges  "
        f"{time.monotonic() - begin:5.0f} s  {verdict}\n"
    )
    if ended.returncode:
        sys.stdout.write(told[-6000:])
    sys.stdout.flush()
    return ended.returncode


def _fuzz(name: str, seconds: int) -> int:
    """Run one target in this process, which it ends."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["router"]):
        from tests.fuzz.readers import targets
    target = targets()[name]
    folder = _FOLDER / name
    corpus, seeds = folder / "corpus", folder / "seeds"
    for made in (corpus, seeds):
        made.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.corpus):
        (seeds / f"{number:04}").write_bytes(data)
        target.check(data)
    options = {
        "max_total_time": seconds,
        "max_len": _LARGEST,
        "timeout": _INPUT_SECONDS,
        "rss_limit_mb": _MEGABYTES,
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
    }
    atheris.Setup(
        [sys.argv[0], *(f"-{name}={value}" for name, value in options.items()), str(corpus), str(seeds)], target.check
    )
    atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
