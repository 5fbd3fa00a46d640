"""What every command that answers owes to programs: derived from the parser, so that a new one owes it, too."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from router.cli import main
from router.cli.parsing import examples_of
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from tests.assembly.small import Place
from tests.cli.test_explaining import NOW, an_event
from tests.cli.test_helping import EVERY

pytestmark = pytest.mark.usefixtures("_log_of_the_test")
Captured = pytest.CaptureFixture[str]
ROOT = Path(__file__).resolve().parents[2]


def options(parser: argparse.ArgumentParser) -> frozenset[str]:
    """What a command can be told."""
    return frozenset(option for action in parser._actions for option in action.option_strings)


ALONE = {name: parser for name, parser in EVERY.items() if parser.get_default("run")}
CONFIGURED = [name for name, parser in ALONE.items() if "--config" in options(parser)]
ANSWERING = [name for name, parser in ALONE.items() if "--json" in options(parser)]
LIVE = [name for name in ANSWERING if "--watch" in options(ALONE[name])]


def command_line(name: str) -> list[str]:
    """The first example of a command that stands alone, without the form of its answer."""
    lines = [line for line in examples_of(ALONE[name]).splitlines() if line.startswith("gatecrier")]
    return [word for word in shlex.split(lines[0].partition(" > ")[0])[1:] if word not in {"--json", "--watch"}]


def configuration(name: str) -> list[str]:
    """The option that names the one in the folder, where a command has it."""
    return ["--config=gatecrier.yaml"] if name in CONFIGURED else []


def timeless(text: str) -> object:
    """What JSON says, but for how long a question took."""
    return json.loads(text, parse_float=lambda _: 0.0)


def said(capsys: Captured, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every example means something: an event "ID" waits for "slack", and there is a manifest."""
    folder = tmp_path_factory.mktemp("prepared")
    Place(
        folder,
        destinations=[{"name": "slack", "kind": "file", "path": "events.jsonl"}],
        routes={"destinations": ["slack"]},
    )
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"image": "a"}]}}
    (folder / "deploy").mkdir()
    (folder / "deploy" / "a.json").write_text(json.dumps(manifest))

    async def fill() -> None:
        outbox = await SqliteOutbox.open(folder / "outbox.db", "replica-1", time_of_day=lambda: NOW)
        await outbox.append(NewEvent("ID", an_event("ID"), NOW, ("slack",)))
        await outbox.close()

    asyncio.run(fill())
    return folder


@pytest.fixture
def _place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy of it for each test, in which it is."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)


def test_who_answers_programs_does_it_in_both_forms() -> None:
    assert [name for name, parser in ALONE.items() if "--jsonl" in options(parser)] == ANSWERING


def test_only_what_asks_others_can_not_be_watched() -> None:
    """Who is asked or told something every second by everybody who waits would lock us out."""
    names = ("verify", "check", "trust refresh", "templates send", "scan")
    asking = {f"gatecrier {name}" for name in names}
    assert set(ANSWERING) - set(LIVE) == asking
    assert set(LIVE) == {name for name, parser in ALONE.items() if "--watch" in options(parser)}
    page = " ".join((ROOT / "docs" / "commands.md").read_text().partition("<!-- generated")[0].split())
    named = page.partition("can not be watched: ")[2].partition(", and")[0]
    assert {f"gatecrier {name}" for name in re.findall("`([^`]+)`", named)} == asking


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize("name", [name for name in ANSWERING if name != "gatecrier scan"])  # a cluster has its own test
def test_the_lines_are_the_members_of_the_array(name: str, capsys: Captured) -> None:
    asked = [*command_line(name), *configuration(name)]
    code, array, _ = said(capsys, *asked, "--json")
    same, lines, _ = said(capsys, *asked, "--jsonl")

    assert code == same
    assert code in {0, 1, 3}
    assert timeless(array) == [timeless(line) for line in lines.splitlines()]
    assert array == json.dumps(json.loads(array), indent=2) + "\n"
    assert array.isascii()


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize("name", ANSWERING)
def test_one_form_at_a_time(name: str, capsys: Captured) -> None:
    asked = [*command_line(name), *configuration(name), "--json"]
    with pytest.raises(SystemExit) as ended:
        main([*asked, "--jsonl"])

    assert ended.value.code == 2
    if name in LIVE:
        capsys.readouterr()
        code, out, err = said(capsys, *asked, "--watch")

        assert (code, out) == (2, "")
        assert "--jsonl --watch" in err


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize("name", LIVE)
def test_what_is_watched_goes_on_until_it_is_interrupted(
    name: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses = iter((None, KeyboardInterrupt))

    def pause(_seconds: float) -> None:
        if (end := next(pauses)) is not None:
            raise end

    monkeypatch.setattr("router.cli.answering.time.sleep", pause)
    asked = [*command_line(name), *configuration(name), "--jsonl"]
    _, once, _ = said(capsys, *asked)
    code, watched, _ = said(capsys, *asked, "--watch")

    assert (code, watched) == (130, once)
    assert next(pauses, None) is None


@pytest.mark.usefixtures("_place")
@pytest.mark.parametrize("name", [name for name in CONFIGURED if name != "gatecrier serve"])
@pytest.mark.parametrize("content", [None, "cluster: [", "cluster: a\nverifiers: 1\noutbox: 1\nroutes: 1\n"])
def test_a_configuration_that_can_not_be_read_leaves_open_what_is_asked(
    name: str, content: str | None, capsys: Captured, tmp_path: Path
) -> None:
    """But of `serve`, which does not start: that is a no."""
    if content is not None:
        (tmp_path / "bad.yaml").write_text(content)
    code, out, err = said(capsys, *command_line(name), "--config=bad.yaml")

    assert (code, out) == (3, "")
    assert "bad.yaml" in err


@pytest.mark.parametrize("name", ALONE)
def test_every_command_and_every_option_says_what_it_means(name: str) -> None:
    parser = ALONE[name]

    assert parser.description
    assert all(action.help for action in parser._actions)
