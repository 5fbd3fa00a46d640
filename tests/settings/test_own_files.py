from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.settings.configurations import SMALL, loaded, refused

TEMPLATED = SMALL + "templates: {directory: mine}\n"


def to(path: str, text: str = SMALL) -> str:
    """A configuration whose archive is written there."""
    return text.replace("path: events.jsonl", f"path: {path!r}")


OWN = {
    "outbox.db": "is the outbox",
    "./outbox.db": "is the outbox",
    "outbox.db-wal": "is a part of the outbox",
    "outbox.db-shm": "is a part of the outbox",
    "outbox.db.lock": "is a part of the outbox",
    "gatecrier.yaml": "is the configuration itself",
    "../{folder}/gatecrier.yaml": "is the configuration itself",
}


@pytest.mark.parametrize(("path", "what"), OWN.items(), ids=OWN)
def test_our_own_files_are_nobody_s_to_write(tmp_path: Path, path: str, what: str) -> None:
    text = refused(tmp_path, to(path.format(folder=tmp_path.name)))

    assert what in text
    assert "destinations[0].path" in text
    assert "name a file that nothing else uses" in text


@pytest.mark.parametrize("link", [os.symlink, os.link], ids=["symbolic", "hard"])
def test_no_link_hides_what_it_leads_to(tmp_path: Path, link: object) -> None:
    assert callable(link)
    (tmp_path / "outbox.db").touch()
    link(tmp_path / "outbox.db", tmp_path / "events.jsonl")

    assert "is the outbox" in refused(tmp_path, SMALL)


def test_a_link_that_leads_nowhere_yet_is_followed(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").symlink_to("outbox.db")

    assert "is the outbox" in refused(tmp_path, SMALL)


@pytest.mark.parametrize("ending", ["-wal", "-shm", ".lock", "-reserve"])
def test_what_stands_beside_what_the_outbox_leads_to_is_ours(tmp_path: Path, ending: str) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "outbox.db").symlink_to("disk/real.db")

    assert "is a part of the outbox" in refused(tmp_path, to(f"disk/real.db{ending}"))


def test_what_the_configuration_names_is_not_written_to(tmp_path: Path) -> None:
    """Keys, certificates, secrets and templates: whatever was read with it."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.json").write_text('{"text": "{{ alert_message }}"}')
    own = TEMPLATED.replace("kind: file", "kind: file, template: note")

    assert "is a file that the configuration names" in refused(tmp_path, to("mine/note.json", own))
    assert "is in the folder of templates" in refused(tmp_path, to("mine/other.json", TEMPLATED))


def test_a_log_in_a_file_is_not_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (tmp_path / "log").open("w") as log:
        monkeypatch.setattr(sys, "stderr", log)

        assert "is the log" in refused(tmp_path, to("log"))


@pytest.mark.parametrize("path", ["events.jsonl", "/dev/stdout", "/dev/null", "outbox.db.jsonl", "mine/sub/a.json"])
def test_any_other_file_may_be_written_to(tmp_path: Path, path: str) -> None:
    (tmp_path / "mine" / "sub").mkdir(parents=True)

    loaded(tmp_path, to(path, TEMPLATED))
