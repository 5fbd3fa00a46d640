from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.assembly.channels import MadeChannel, channels
from router.destinations.kinds.slack.block_kit import plain_message
from router.destinations.outcome import Delivered
from router.events import encode
from router.rendering.examples import EXAMPLES
from router.settings.parts import KeeperPart
from tests.settings.configurations import SMALL, example, loaded
from tests.simulators.sinks import Sink


def made(
    folder: Path, before: Mapping[str, MadeChannel], text: str, told: list[str] | None = None
) -> dict[str, MadeChannel]:
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

    assert json.loads(minimal.body).keys() == plain_message("").keys()


async def test_a_secret_of_a_template_goes_from_its_file_into_what_is_sent_and_nowhere_else(tmp_path: Path) -> None:
    """The way of production: rendered by the channel, delivered by its destination; a reload takes another content."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.json").write_text(
        '{"key": "Key {{ destination.secrets.key }}", "n": "{{ namespace }}"}'
    )
    before: dict[str, MadeChannel] = {}
    async with Sink().running() as sink:
        own = f"url: '{sink.url()}', plain_http: true, template: own, secrets: {{key: {{file: key}}}}"
        text = SMALL.replace("kind: file, path: events.jsonl", f"kind: webhook, {own}")
        text += "templates: {directory: templates}\negress: {allow: [127.0.0.0/8]}\n"
        for content in ('one "secret"', "another", "another"):
            (tmp_path / "key").write_text(content)
            kept, before = before, made(tmp_path, before, text)
            channel = before["archive"].channel
            document = channel.render("1", encode(EXAMPLES["admitted-one-image"]), "")
            outcome = await channel.destination.deliver([document])
            await channel.destination.close()

            assert outcome == Delivered(status=200)
            assert content not in repr(document)
    sent = [json.loads(receipt.body)["key"] for receipt in sink.got]

    assert sent == ['Key one "secret"', "Key another", "Key another"]
    assert before["archive"].channel is kept["archive"].channel
