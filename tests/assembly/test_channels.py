from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.assembly.channels import Made, channels
from router.settings.parts import KeeperPart
from tests.settings.configurations import example, loaded


def made(folder: Path, before: Mapping[str, Made], text: str, told: list[str] | None = None) -> dict[str, Made]:
    """The channels of a configuration, read now."""
    told = [] if told is None else told
    found = loaded(folder, text)
    return channels(KeeperPart(found.settings, found.templates), before, told.append)


def test_a_channel_of_which_nothing_has_changed_is_the_same(tmp_path: Path) -> None:
    first = made(tmp_path, {}, example())
    second = made(tmp_path, first, example().replace("default: detect", "default: enforce"))

    assert {name: one.channel for name, one in second.items()} == {name: one.channel for name, one in first.items()}
    assert all(one.channel is first[name].channel for name, one in second.items())


@pytest.mark.parametrize(
    ("name", "found", "written"),
    [
        ("siem", "timeout: 5s", "timeout: 6s"),
        ("siem", "timeout: 5s", "ca: registry-ca.pem"),
        ("soc-slack", "{file: slack-url}", "{file: other-url}"),
        ("siem", '["127.0.0.0/8"]', '["127.0.0.0/8", "10.0.0.0/8"]'),
    ],
)
def test_a_channel_is_made_anew_where_its_settings_have_changed(
    name: str, found: str, written: str, tmp_path: Path
) -> None:
    (tmp_path / "other-url").write_text("https://hooks.slack.com/services/T0/B0/other")
    first = made(tmp_path, {}, example())

    assert found in example()
    assert made(tmp_path, first, example().replace(found, written))[name].channel is not first[name].channel


def test_a_secret_that_was_changed_in_its_file_is_another_channel(tmp_path: Path) -> None:
    """The settings read the same; what they hold does not."""
    (tmp_path / "url").write_text("https://hooks.slack.com/services/T0/B0/one")
    text = example().replace("{file: slack-url}", "{file: url}")
    first = made(tmp_path, {}, text)
    (tmp_path / "url").write_text("https://hooks.slack.com/services/T0/B0/two")
    second = made(tmp_path, first, text)

    assert second["soc-slack"].channel is not first["soc-slack"].channel
    assert second["sysdig"].channel is first["sysdig"].channel


def test_a_minimal_payload_is_counted_when_it_is_made(tmp_path: Path) -> None:
    """Most documents are never too large for anybody."""
    told: list[str] = []
    document = made(tmp_path, {}, example(), told)["siem"].channel.render("event-1", b'{"id": "event-1"}', "")
    before = [*told]
    minimal = None if document.minimal is None else document.minimal()

    assert before == []
    assert told == ["siem"]
    assert minimal is not None
    assert minimal.is_fallback
    assert minimal.minimal is None


def test_a_minimal_payload_is_of_the_kind_of_its_destination(tmp_path: Path) -> None:
    document = made(tmp_path, {}, example())["soc-slack"].channel.render("event-1", b'{"id": "event-1"}', "")
    minimal = document if document.minimal is None else document.minimal()

    assert json.loads(minimal.body).keys() == {"text"}
