"""What a reload takes, what it leaves, and that nobody loses the next one."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from router.assembly import reloading
from router.policy import Policy
from router.policy.settings import RuleSettings
from router.server.operations import Unhealthy
from router.settings import loading
from router.settings.loading import Loaded, Refused, attempt, load
from tests.assembly.small import Place
from tests.simulators.log import Log

ENFORCED = {"enforcement": {"namespaces": {"strict": "enforce"}}}
TEMPLATED = {"name": "archive", "kind": "file", "path": "events.jsonl", "template": "mine"}


def place_with_template(folder: Path) -> Place:
    """A place whose archive has a template of its own."""
    (folder / "templates").mkdir()
    (folder / "templates" / "mine.json").write_text('{"id": "{{ cloudevent.id }}"}')
    return Place(folder, templates={"directory": "templates"}, destinations=[TEMPLATED])


async def test_a_template_that_is_edited_after_the_check_is_the_one_that_was_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was read a second time, failed, and ended the watching for ever, while health stayed well."""
    place = place_with_template(tmp_path)

    def then_edited(config: Path, environment: Mapping[str, str]) -> Loaded | Refused:
        found = attempt(config, environment)
        (tmp_path / "templates" / "mine.json").write_text("{{ no template")
        return found

    async with place.running() as router:
        monkeypatch.setattr(reloading, "attempt", then_edited)
        place.write(**ENFORCED)
        await router.reload()
        answer = await place.ask("r.example/other/app:1")
        (told,) = await place.until_archived(1)
        alive, _ = await place.probe("healthz")

    assert answer["allowed"] is False
    assert [*told] == ["id"]
    assert alive == 200


async def test_files_that_vanish_after_the_check_are_not_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A configuration is built from what was read of it."""
    place = place_with_template(tmp_path)

    def then_gone(config: Path, environment: Mapping[str, str]) -> Loaded:
        found = load(config, environment)
        (tmp_path / "templates" / "mine.json").unlink()
        place.config.unlink()
        return found

    monkeypatch.setattr(reloading, "load", then_gone)
    async with place.running():
        await place.ask("r.example/other/app:1")
        told = await place.until_archived(1)

    assert [*told[0]] == ["id"]


async def test_a_task_that_has_ended_fails_health_and_is_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    """Nobody would notice otherwise until a change of the configuration is not taken."""

    async def breaks(*_: object) -> None:
        raise RuntimeError("out of inotify, say")

    monkeypatch.setattr(reloading, "watch", breaks)
    place = Place(tmp_path)
    async with place.running():
        status, text = await place.probe("healthz")
        ready, _ = await place.probe("readyz")

    assert (status, ready) == (503, 200)
    assert text == f"{Unhealthy.TASK_ENDED}\n"
    assert log.named("task_ended")


async def test_lanes_that_have_not_changed_go_on(tmp_path: Path) -> None:
    """Ending a lane cuts attempts under way, and forgets what its breaker has learned."""
    second = {"name": "second", "kind": "file", "path": "second.jsonl"}
    place = Place(tmp_path)
    place.write(destinations=[*_list(place, "destinations"), second], routes={"destinations": ["archive", "second"]})
    async with place.running() as router:
        before = dict(router.keeper._dispatcher._lanes)
        place.write(**ENFORCED, destinations=[*_list(place, "destinations")[:1], second | {"batch_size": 7}])
        await router.reload()
        after = dict(router.keeper._dispatcher._lanes)

    assert after["archive"] is before["archive"]
    assert after["second"] is not before["second"]


async def test_a_lane_takes_a_changed_template(tmp_path: Path) -> None:
    place = place_with_template(tmp_path)
    async with place.running() as router:
        (tmp_path / "templates" / "mine.json").write_text('{"other": "{{ cloudevent.id }}"}')
        await router.reload()
        await place.ask("r.example/other/app:1")
        (told,) = await place.until_archived(1)

    assert [*told] == ["other"]


async def test_what_is_read_at_the_start_only_keeps_its_running_value(tmp_path: Path, log: Log) -> None:
    """It was said to need a restart, and was in force at once."""
    place = Place(tmp_path)
    webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms"}
    async with place.running() as router:
        place.write(webhook=webhook | {"max_body": "64KiB"}, outbox={"url": "sqlite:///other.db", "keep": "1d"})
        await router.reload()
        status, _ = await place.post(json.dumps({"a": "a" * 70_000}).encode())
        (line,) = log.named("restart_needed")
        keep = router.settings.outbox.keep

    assert status == 400  # it was read as a whole, and is no review
    assert line["settings"] == ["webhook.max_body", "outbox.url"]
    assert keep == 86400.0


async def test_rules_are_compiled_beside_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands take a second, in which nobody would be answered."""
    threads = []

    class Compiled(Policy):
        def __init__(self, rules: Sequence[RuleSettings]) -> None:
            threads.append(threading.get_ident())
            super().__init__(rules)

    place = Place(tmp_path)
    async with place.running() as router:
        monkeypatch.setattr(loading, "Policy", Compiled)
        await router.reload()

    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


def _list(place: Place, key: str) -> list[dict[str, object]]:
    value = place.settings[key]

    assert isinstance(value, list)
    return value


async def test_the_deadline_in_force_is_shown(tmp_path: Path) -> None:
    """What takes long is measured against it, so it must not be one that nobody goes by any more."""
    place = Place(tmp_path)
    webhook = {"listen": f"127.0.0.1:{place.webhook}", "tls": "self-signed", "linger": "100ms"}
    async with place.running() as router:
        _, before = await place.probe("metrics")
        place.write(webhook=webhook | {"deadline": "3s"})
        await router.reload()
        _, after = await place.probe("metrics")

    assert "\ngatecrier_webhook_deadline_seconds 8.0\n" in before
    assert "\ngatecrier_webhook_deadline_seconds 3.0\n" in after
