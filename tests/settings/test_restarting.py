from __future__ import annotations

from pathlib import Path

from router.settings.restarting import in_force
from tests.settings.configurations import SMALL, loaded


def test_what_is_read_at_the_start_only_stays_and_is_named(tmp_path: Path) -> None:
    """The settings in force have the running value, so that nobody can read another."""
    before = loaded(tmp_path, SMALL).settings
    changed = SMALL.replace(":8443", ":8444").replace("outbox.db", "other.db").replace("cluster: test", "cluster: new")
    settings, names = in_force(before, loaded(tmp_path, changed).settings)

    assert names == ["webhook.listen", "outbox.url"]
    assert (settings.webhook, settings.outbox) == (before.webhook, before.outbox)
    assert settings.cluster == "new"


def test_what_holds_at_once_needs_no_restart(tmp_path: Path) -> None:
    before = loaded(tmp_path, SMALL).settings
    after = loaded(tmp_path, SMALL.replace("tls: self-signed", "tls: self-signed, deadline: 3s")).settings

    assert in_force(before, after) == (after, [])
