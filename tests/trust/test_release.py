from __future__ import annotations

import datetime as dt
import subprocess
import sys
from pathlib import Path

import pytest

from router.verification.trust_roots import PUBLIC_GOOD_AS_OF

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(("days", "code"), [(0, 0), (365, 0), (366, 1), (3000, 1)])
def test_a_release_with_a_public_good_root_older_than_a_year_is_refused(days: int, code: int) -> None:
    today = PUBLIC_GOOD_AS_OF + dt.timedelta(days=days)
    command = [sys.executable, ".ci/root_age.py", today.isoformat()]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
    )

    assert (ended.returncode, bool(ended.stderr)) == (code, bool(code))


def test_make_release_asks_for_it_before_anything_is_built() -> None:
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile[makefile.index("\nrelease:") :].split("\n\n")[0].splitlines()

    assert recipe[2].strip() == "$(BIN)/python .ci/root_age.py"
    assert "build" in recipe[-1]
