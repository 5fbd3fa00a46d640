from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import weakref
from pathlib import Path

import pytest

from router import __version__, cli
from router.cli import main, parser
from router.cli.exit_codes import NO, YES
from router.outbox import NewEvent, SetAside
from router.outbox.sqlite import SqliteOutbox
from tests.assembly.small import Place

BODY = b'{"id":"x","data":{"a":1}}'


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A configuration whose outbox holds one delivery that waits and one that was set aside."""
    monkeypatch.setenv("COLUMNS", "200")
    place = Place(tmp_path)

    async def fill() -> None:
        outbox = await SqliteOutbox.open(tmp_path / "outbox.db", "replica-1")
        await outbox.append(NewEvent("event-1", BODY, 1767312000.0, ("slack", "siem")))
        await outbox.queue("owner-1").settle(
            [SetAside("slack", "event-1", 1767312001.0, 1, "http_400", "no such channel")]
        )
        await outbox.append(NewEvent("event-2", BODY, 1767312000.0, ("slack",), ("slack",)))
        await outbox.close()

    asyncio.run(fill())
    return str(place.config)


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])

    assert ended.value.code == 0
    assert capsys.readouterr().out == f"gatecrier {__version__}\n"


def test_a_command_line_without_a_command_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([])

    assert ended.value.code == 2
    assert "COMMAND" in capsys.readouterr().err


def test_a_valid_configuration_is_confirmed(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "config", "check", config)

    assert code == 0
    assert "valid" in out


def test_a_missing_configuration_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for command, expected in ((("config", "check"), 1), (("deliveries", "list", "--config"), 3)):
        code, _, err = said(capsys, *command, str(tmp_path / "none.yaml"))

        assert code == expected
        assert "none.yaml" in err


def test_a_mistake_of_ours_is_no_answer(
    capsys: pytest.CaptureFixture[str], config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pipeline that builds on exit codes must not take it for one."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("a defect")

    monkeypatch.setattr("router.cli.deliveries._selection", broken)
    code, out, err = said(capsys, "deliveries", "list", "--config", config)

    assert (code, out) == (3, "")
    assert "ZeroDivisionError: a defect" in err


def served(config: Path, form: str) -> list[str]:
    """What a start says that fails, in a process of its own: it forks, which a process with threads must not."""
    command = [sys.executable, "-m", "router", "serve", "--config", str(config), "--log", form]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout) == (1, "")
    return ended.stderr.splitlines()


def test_a_start_that_fails_says_so_once_in_the_form_of_the_log(tmp_path: Path) -> None:
    mistaken = tmp_path / "mistaken.yaml"
    mistaken.write_text("cluster: a\n" + "".join(f"odd{number}: 1\n" for number in range(40)))
    (line,) = map(json.loads, served(mistaken, "json"))
    first, *beneath = served(tmp_path / "none.yaml", "readable")

    assert line["event"] == "router_not_started"
    *told, last = line["problems"]
    assert 10 < len(told) <= 20
    assert last == f"and {4 + 40 - len(told)} more; see `gatecrier config check`"  # four sections are missing
    assert "router_not_started" in first
    assert beneath == [f"    | {tmp_path}/none.yaml: the configuration can't be read: No such file or directory"]


def test_an_outbox_that_can_not_be_opened_is_told_once(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.config.write_text(place.config.read_text().replace("sqlite:///", "sqlite:///gone/"))
    lines = list(map(json.loads, served(place.config, "json")))
    told = [line for line in lines if "gone/outbox.db" in json.dumps(line)]

    assert [line["event"] for line in told] == ["router_not_started"]
    assert not {"router_stopped", "process_restarting", "trouble_began"} & {line["event"] for line in lines}


def test_the_listing_shows_state_and_cause(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "deliveries", "list", "--config", config)

    assert code == 0
    lines = out.splitlines()
    assert lines[0].split()[:4] == ["STATE", "DESTINATION", "ATTEMPTS", "CAUSE"]
    assert {tuple(line.split()[:4]) for line in lines[1:]} == {
        ("set_aside", "slack", "1", "http_400:"),
        ("pending", "siem", "0", "-"),
    }


def test_the_listing_is_also_for_programs(capsys: pytest.CaptureFixture[str], config: str) -> None:
    _, out, _ = said(capsys, "deliveries", "list", "--config", config, "--state", "set_aside", "--json")

    (row,) = json.loads(out)
    assert (row["event_id"], row["state"], row["stored_at"]) == ("event-1", "set_aside", "2026-01-02T00:00:00Z")


def test_an_empty_listing_says_so(capsys: pytest.CaptureFixture[str], config: str) -> None:
    _, out, _ = said(capsys, "deliveries", "list", "--config", config, "--state", "discarded")

    assert "nothing waits" in out


@pytest.mark.parametrize("command", ["list", "replay", "discard"])
def test_an_unknown_destination_is_told_with_the_nearest(
    capsys: pytest.CaptureFixture[str], config: str, command: str
) -> None:
    code, out, err = said(capsys, "deliveries", command, "--config", config, "--destination", "archve")

    assert (code, out) == (2, "")
    assert 'there is no destination "archve"; did you mean "archive"?' in err


def test_a_destination_that_was_removed_is_known_while_it_has_deliveries(
    capsys: pytest.CaptureFixture[str], config: str
) -> None:
    code, out, _ = said(capsys, "deliveries", "list", "--config", config, "--destination", "siem")
    _, _, warnings = said(capsys, "config", "check", config)

    assert code == 0
    assert "event-1" in out
    assert '1 deliveries are left for "siem", which is not a destination here' in warnings
    assert "replay --destination siem --to NAME" in warnings


def test_of_an_event_what_was_delivered_is_shown_too(capsys: pytest.CaptureFixture[str], config: str) -> None:
    _, out, _ = said(capsys, "deliveries", "list", "--config", config, "--event", "event-2")

    assert {tuple(line.split()[:2]) for line in out.splitlines()[1:]} == {("delivered", "slack")}


def test_what_a_receiver_said_is_shown(capsys: pytest.CaptureFixture[str], config: str) -> None:
    _, out, _ = said(capsys, "deliveries", "list", "--config", config, "--state", "set_aside")

    assert "http_400: no such channel" in out


def test_deliveries_are_sent_elsewhere(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "deliveries", "replay", "--config", config, "--destination", "siem", "--to", "archive")
    _, listed, _ = said(capsys, "deliveries", "list", "--config", config, "--event", "event-1")
    wrong, _, err = said(capsys, "deliveries", "replay", "--config", config, "--all", "--to", "siem")

    assert (code, out) == (0, "1 delivery due at archive\n")
    assert {tuple(line.split()[:4]) for line in listed.splitlines()[1:]} == {
        ("set_aside", "slack", "1", "http_400:"),
        ("pending", "archive", "0", "-"),
        ("discarded", "siem", "0", "replayed_elsewhere:"),
    }
    assert wrong == 2
    assert 'there is no destination "siem"' in err


def test_a_delivery_is_replayed(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "deliveries", "replay", "--config", config, "--all")
    _, listed, _ = said(capsys, "deliveries", "list", "--config", config, "--state", "set_aside")

    assert (code, out) == (0, "1 delivery due again\n")
    assert "slack" not in listed


def test_a_delivery_is_discarded(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "deliveries", "discard", "--config", config, "--event", "event-1")
    _, listed, _ = said(capsys, "deliveries", "list", "--config", config)

    assert (code, out) == (0, "2 deliveries discarded\n")
    assert "nothing waits" in listed


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_an_event_that_is_not_stored_is_told_and_the_others_are_changed(
    capsys: pytest.CaptureFixture[str], config: str, command: str
) -> None:
    """One that is stored and has nothing left to change is done."""
    nobody = said(capsys, "deliveries", command, "--config", config, "--event", "nope")
    both = said(capsys, "deliveries", command, "--config", config, "--event", "nope", "--event", "event-1")
    delivered = said(capsys, "deliveries", command, "--config", config, "--event", "event-2")

    assert (nobody[0], nobody[1][:13], nobody[2]) == (1, "0 deliveries ", "no event nope is stored here\n")
    assert (both[0], both[1][:13], both[2]) == (1, "2 deliveries ", nobody[2])
    assert (delivered[0], delivered[1][:13], delivered[2]) == (0, "0 deliveries ", "")


@pytest.mark.parametrize("command", ["replay", "discard"])
def test_nothing_is_changed_without_saying_what(capsys: pytest.CaptureFixture[str], config: str, command: str) -> None:
    code, _, err = said(capsys, "deliveries", command, "--config", config)

    assert code == 2
    assert "--all" in err


def test_a_configuration_without_an_outbox_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cluster: a")
    (tmp_path / "d.yaml").write_text("cluster: [")
    _, _, missing = said(capsys, "deliveries", "list", "--config", str(tmp_path / "c.yaml"))
    _, _, broken = said(capsys, "deliveries", "list", "--config", str(tmp_path / "d.yaml"))

    assert "outbox" in missing
    assert "d.yaml" in broken


def test_an_outbox_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = said(capsys, "deliveries", "list", "--config", str(Place(tmp_path).config))

    assert code == 3
    assert "there is no outbox" in err


def test_the_demo_is_as_it_expects() -> None:
    """In a process of its own, as a user runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "router", "demo"], capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Everything as expected." in done.stdout
    assert "Traceback" not in done.stderr


def test_serve_drains_on_sigterm_and_ends_with_0(tmp_path: Path) -> None:
    place = Place(tmp_path)
    command = [sys.executable, "-m", "router", "serve", "--config", str(place.config), "--log", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | {"HOSTNAME": "a"}) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if json.loads(line)["event"] == "router_started":
                break
        process.send_signal(signal.SIGHUP)
        for line in process.stderr:
            if json.loads(line)["event"] == "configuration_taken":
                break
        process.terminate()
        told = process.stderr.read()
        code = process.wait(30)

    assert code == 0
    assert "router_stopped" in told


def test_a_command_does_not_hold_the_parser_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """`serve` runs for weeks, and all other processes of the product are forked from it."""
    made = list[weakref.ref[argparse.ArgumentParser]]()

    def noted() -> argparse.ArgumentParser:
        whole = parser()  # the product's own, where tests share one
        made.append(weakref.ref(whole))
        return whole

    def run(*_: object) -> int:
        gc.collect()
        return YES if made[0]() is None else NO

    monkeypatch.setattr(cli, "parser", noted)
    monkeypatch.setattr(cli, "run", run)

    assert main(["config", "check", "gatecrier.yaml"]) == YES
