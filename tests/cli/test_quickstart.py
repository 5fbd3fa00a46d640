"""What newcomers copy must show what it promises."""

from __future__ import annotations

import re
from pathlib import Path

from router.settings.loading import Loaded, attempt

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "quickstart.md").read_text()


def test_the_configuration_of_the_quick_start_is_valid(tmp_path: Path) -> None:
    found = re.search(r"```yaml\n(cluster: laptop\n.*?)```", PAGE, re.DOTALL)
    assert found is not None
    path = tmp_path / "gatecrier.yaml"
    path.write_text(found[1])

    assert isinstance(attempt(path, {}), Loaded)


def test_the_quick_start_asks_under_a_new_uid_each_time() -> None:
    """The same uid is the same event: the second answer would have shown nothing in the file."""
    pattern = re.search(r"sed \"s/([^/]+)/\$\(cat /proc/sys/kernel/random/uuid\)/\" (\S+)", PAGE)
    assert pattern is not None

    assert len(re.findall(f'"uid": "{pattern[1]}"', (ROOT / pattern[2]).read_text())) == 1
