from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.errors import ConfigurationError
from router.settings.loading import Loaded, attempt, checked
from router.settings.snapshot import Reading, Snapshot
from tests.settings.configurations import ENVIRONMENT, SMALL, example, loaded, refused, written


def test_a_file_is_read_once(tmp_path: Path) -> None:
    """One reading of a configuration sees one content of each file, although it is validated more than once."""
    file = tmp_path / "a"
    file.write_text("one")
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    first = reading.read(file, 10)
    file.write_text("two")

    assert (first, reading.read(file, 10)) == (b"one", b"one")


def test_links_are_remembered_as_links(tmp_path: Path) -> None:
    """What they lead to is swapped under them when a ConfigMap or Secret changes."""
    (tmp_path / "target").write_text("x")
    (tmp_path / "link").symlink_to("target")
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    reading.read(tmp_path / "folder" / ".." / "link", 10)

    assert set(reading.watched) == {tmp_path / "link"}


def test_files_that_are_not_there_are_remembered_too(tmp_path: Path) -> None:
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    for _ in range(2):
        with pytest.raises(FileNotFoundError):
            reading.read(tmp_path / "gone", 10)

    assert set(reading.watched) == {tmp_path / "gone"}


@pytest.mark.parametrize("kind", ["large", "device", "pipe"])
def test_what_could_not_be_held_or_would_not_end_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a"
    match kind:
        case "large":
            path.write_bytes(b"x" * 11)
        case "device":
            path = Path("/dev/zero")
        case _:
            os.mkfifo(path)

    with pytest.raises(ValueError, match="more than 10 bytes" if kind == "large" else "not a regular file"):
        Reading(tmp_path / "gatecrier.yaml", {}).read(path, 10)


def test_the_limit_holds_for_what_was_read_under_another(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    reading = Reading(tmp_path / "gatecrier.yaml", {})
    reading.read(tmp_path / "a", 100)

    with pytest.raises(ValueError, match="more than 10 bytes"):
        reading.read(tmp_path / "a", 10)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError, match="Is a directory"):
        Reading(tmp_path / "gatecrier.yaml", {}).read(tmp_path, 10)


def settings_of(snapshot: Snapshot) -> Loaded:
    """What another process makes of it."""
    found = checked(Reading.of(Snapshot.decoded(snapshot.encoded())))

    assert isinstance(found, Loaded), found.text
    return found


def test_another_process_makes_the_same_of_a_snapshot_without_a_file(tmp_path: Path) -> None:
    """One process reads; what it has checked is what all of them use."""
    text = example().replace("tls: self-signed", "tls: {certificate: tls.crt, key: tls.key}")
    here = loaded(tmp_path, text)
    for file in tmp_path.iterdir():
        file.unlink()
    there = settings_of(here.snapshot)

    assert there.settings.model_dump_json() == here.settings.model_dump_json()
    assert there.settings.webhook == here.settings.webhook
    assert there.settings.destinations == here.settings.destinations  # secrets are compared, too
    assert (there.templates, there.snapshot) == (here.templates, here.snapshot)


def test_a_snapshot_has_the_variables_that_are_named_and_no_others(tmp_path: Path) -> None:
    """The environment may hold secrets that are none of ours."""
    result = attempt(written(tmp_path, example()), ENVIRONMENT | {"AWS_SECRET_ACCESS_KEY": "hush"})

    assert isinstance(result, Loaded)
    assert result.snapshot.environment == ENVIRONMENT


def test_a_variable_is_asked_for_once(tmp_path: Path) -> None:
    environment = {"TOKEN": "one"}
    reading = Reading(tmp_path / "gatecrier.yaml", environment)
    first = reading["TOKEN"]
    environment["TOKEN"] = "two"

    assert (first, reading["TOKEN"]) == ("one", "one")


def test_a_snapshot_shows_nothing_of_what_it_holds(tmp_path: Path) -> None:
    assert "hush" not in repr(loaded(tmp_path, example()).snapshot)


def test_what_is_no_snapshot_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="not a snapshot"):
        Snapshot.decoded(b"\x00")


def test_a_template_has_the_markup_of_its_destination_when_it_is_checked(tmp_path: Path) -> None:
    """With another, it passed the check and failed when the router was built: these keys are equal only in Slack's."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "slack.json").write_text("""{"{{ '<' }}": 1, "&lt;": 2}""")

    assert "destinations[1].template (soc-slack): template slack: line 1: two keys" in refused(tmp_path, example())


def test_a_template_is_parsed_once(tmp_path: Path) -> None:
    """What has not changed is the same after a reload."""
    first, second = loaded(tmp_path, example()), loaded(tmp_path, example())

    ours, theirs = first.templates["soc-slack"], second.templates["soc-slack"]
    assert ours.of_decisions is theirs.of_decisions is not None
    assert ours.of_notices is theirs.of_notices is not None


@pytest.mark.parametrize("written", ["", "    template: null\n"])
def test_a_destination_that_names_no_template_has_the_one_of_its_kind(tmp_path: Path, written: str) -> None:
    text = example()
    assert "    template: slack\n" in text
    found = loaded(tmp_path, text.replace("    template: slack\n", written)).templates["soc-slack"].of_decisions

    assert found is not None
    assert found.name == "slack"


SIEM = "  - name: siem\n"


def test_a_webhook_has_a_fallback_of_its_own(tmp_path: Path) -> None:
    text = example().replace(SIEM, SIEM + "    template: sysdig\n    fallback_template: webhook\n")
    found = loaded(tmp_path, text).templates["siem"]

    assert found.of_decisions is not None
    assert found.fallback is not None
    assert (found.of_decisions.name, found.fallback.name) == ("sysdig", "webhook")
    assert found.of_notices is None


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("    template: sysdig\n    fallback_template: webhok\n", 'did you mean "webhook"'),
        ("    fallback_template: webhook\n", "is for where `template` fails"),
    ],
)
def test_a_fallback_that_can_not_be_used_is_refused(tmp_path: Path, written: str, words: str) -> None:
    told = refused(tmp_path, example().replace(SIEM, SIEM + written))

    assert "destinations[2].fallback_template (siem)" in told
    assert words in told


def test_a_webhook_with_a_template_and_no_fallback_is_worth_a_note(tmp_path: Path) -> None:
    notes = loaded(tmp_path, example().replace(SIEM, SIEM + "    template: sysdig\n")).notes

    assert any("add fallback_template" in note for note in notes)
    assert not any("fallback_template" in note for note in loaded(tmp_path, example()).notes)


def test_a_template_of_a_webhook_has_the_markup_that_its_operator_says(tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.json").write_text("""{"{{ '<' }}": 1, "&lt;": 2}""")
    text = OWN.replace("template: own,", "template: own, markup: html,")

    (tmp_path / "key").write_text("a secret")

    loaded(tmp_path, OWN)
    assert "template own: line 1: two keys" in refused(tmp_path, text)


OWN = SMALL.replace(
    "[{name: archive, kind: file, path: events.jsonl}]",
    '[{name: archive, kind: webhook, url: "https://a.example/x", template: own, secrets: {key: {file: key}}}]\n'
    "templates: {directory: templates}",
)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            '\n"{{ destination.secrets.kye }}"',
            (
                'template own: line 2: the destination has no secret "kye"; did you mean "key"? (known: key); or say '
                "`secrets: {kye: {file: PATH}}` at the destination"
            ),
        ),
        ('"{{ destination.secrets.key | upper }}"', "template own: line 1: a secret stands alone"),
    ],
)
def test_a_secret_in_a_template_is_one_of_its_destination(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.json").write_text(source)
    (tmp_path / "key").write_text("a secret")

    assert f"destinations[0].template (archive): {told}" in refused(tmp_path, OWN)


def test_the_name_of_a_secret_is_one_that_a_template_can_write(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("a secret")

    assert '"a-b" is not a valid name of a secret; write small letters' in refused(
        tmp_path, OWN.replace("{key:", "{a-b:")
    )


def test_a_secret_of_a_template_follows_its_file(tmp_path: Path) -> None:
    """As every secret does: a reload takes the new content, and what has not changed is the same."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "own.json").write_text('"{{ destination.secrets.key }}"')
    found = []
    for content in ("one", "two", "two"):
        (tmp_path / "key").write_text(content)
        found.append(loaded(tmp_path, OWN))
    first, second, third = (one.settings.destinations[0] for one in found)

    assert first != second
    assert second == third
    assert [one.snapshot == found[1].snapshot for one in found] == [False, True, True]
