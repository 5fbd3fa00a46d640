"""What every command owes: an example below its help, an end without noise, and completion."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from router.cli import main, parser
from router.cli.completion import SHELLS
from router.cli.exit_codes import INTERRUPTED

PROGRAM = [sys.executable, "-m", "router"]


def commands(within: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The command, and all beneath it."""
    yield within
    for action in within._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                yield from commands(inner)


EVERY = {command.prog: command for command in commands(parser())}


@pytest.mark.parametrize("name", EVERY)
def test_every_help_has_an_example_that_is_a_command_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = EVERY[name].format_help()
    examples = shown.partition("\nexample")[2].replace("\\\n", " ")
    lines = [line.strip() for line in examples.splitlines()[1:]]

    assert lines, shown
    for line in lines:
        plain = line.removeprefix('eval "$(').removesuffix(')"').partition(" > ")[0]
        ours = next(part for part in plain.split(" | ") if part.startswith("gatecrier"))  # of a pipeline
        words = shlex.split(ours)
        assert words[: len(name.split())] == name.split()
        assert parser().parse_args(words[1:]).run
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize("name", EVERY)
def test_every_command_says_what_it_is_for(name: str) -> None:
    for action in EVERY[name]._actions:
        if isinstance(action, argparse._SubParsersAction):
            assert {one.dest for one in action._choices_actions} == set(action.choices)


def test_whoever_has_seen_enough_ends_a_command_quietly() -> None:
    for arguments in (["config", "reference"], ["--help"], ["config", "schema"]):
        reader, writer = os.pipe()
        os.close(reader)
        with os.fdopen(writer, "wb") as out:
            ended = subprocess.run([*PROGRAM, *arguments], stdout=out, stderr=subprocess.PIPE, timeout=60, check=False)

        assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["config", "reference"], ["--help"], ["--version"], ["completion", "bash"]])
def test_a_command_says_once_that_there_is_no_room_for_its_output(arguments: Sequence[str]) -> None:
    """And never ends with 1, which a pipeline takes for a no."""
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run([*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (3, b"the output can't be written: No space left on device\n")


def test_whoever_interrupts_while_the_command_line_is_read_is_told_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted() -> argparse.ArgumentParser:
        raise KeyboardInterrupt

    monkeypatch.setattr("router.cli.parser", interrupted)
    assert main(["--help"]) == INTERRUPTED


def test_the_command_line_is_known_before_anything_that_is_large_is_loaded() -> None:
    """Each completion in a shell waits for it."""
    large = {"aiohttp", "cryptography", "jinja2", "orjson", "pydantic", "router.settings.tree", "router.verification"}
    code = f"import sys; from router.cli import parser; parser(); print(*sorted({large} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)

    assert loaded.stdout.split() == []


def test_a_command_without_standard_output_ends_quietly_too(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("cluster: a\n")
    script = f"exec {shlex.join([*PROGRAM, 'routes', 'show', '--config', str(tmp_path / 'c.yaml')])} >&-"
    ended = subprocess.run(["sh", "-c", script], stderr=subprocess.PIPE, timeout=60, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["check", "-"], 3, "there is no object in what was given\n"),
        (["templates", "send", "pagerduty", "--destination", "pager"], 2, "say --yes where nobody can be asked\n"),
    ],
)
def test_standard_input_that_was_closed_is_empty(
    tmp_path: Path, arguments: Sequence[str], code: int, told: str
) -> None:
    pager = {"name": "pager", "kind": "pagerduty", "routing_key": {"file": "key"}}
    (tmp_path / "key").write_text("a" * 32)
    document = {"cluster": "a", "policy": [{"pattern": "**", "verifier": "deny"}], "destinations": [pager]}
    (tmp_path / "c.yaml").write_text(json.dumps(document))
    script = f"exec {shlex.join([*PROGRAM, *arguments, '--config', str(tmp_path / 'c.yaml')])} <&-"
    ended = subprocess.run(["sh", "-c", script], capture_output=True, text=True, timeout=60, check=False)

    assert (ended.returncode, ended.stdout) == (code, "")
    assert ended.stderr.endswith(told)


def test_without_standard_error_nothing_of_it_is_on_standard_output(tmp_path: Path) -> None:
    document = {"cluster": "a", "policy": [{"pattern": "**", "verifier": "deny"}]}
    (tmp_path / "c.yaml").write_text(json.dumps(document))
    pod = {"apiVersion": "v1", "kind": "Pod", "spec": {"containers": [{"name": "c", "image": "r.example/a:1"}]}}
    (tmp_path / "pod.json").write_text(json.dumps(pod))
    arguments = ["check", "--config", str(tmp_path / "c.yaml"), str(tmp_path / "pod.json"), "--json"]
    script = f"exec {shlex.join([*PROGRAM, *arguments])} 2>&-"
    ended = subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, timeout=60, check=False)

    assert ended.returncode == 1
    assert len(json.loads(ended.stdout)) == 1


@pytest.mark.parametrize("arguments", [["incidents", "show"], ["silence", "expire"], ["scan", "--namespace"]])
def test_an_argument_that_is_no_text_is_a_mistake_of_the_command_line(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main([*arguments, "a\udcff"])

    assert capsys.readouterr().err.endswith(" is neither UTF-8 nor a file\n")


@pytest.mark.parametrize("number", ["0", "x", "1000000001", "9223372036854775808", "9" * 5000])
def test_a_limit_that_nothing_can_have_is_a_mistake_of_the_command_line(
    capsys: pytest.CaptureFixture[str], number: str
) -> None:
    for group, command in (("events", "tail"), ("incidents", "list"), ("deliveries", "list")):
        with pytest.raises(SystemExit, match="2"):
            main([group, command, "-n", number])

        assert capsys.readouterr().err.endswith(" is no number from 1 to 1000000000\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("events", "search", "x = y", "--since", "2x"), 'argument --since: "2x" is not a valid duration; write a '),
        (("readiness", "--since", "0s"), "argument --since: a duration must be more than nothing\n"),
        (("check", "--timeout", "0", "-"), 'argument --timeout: "0" is not a valid duration; write a number and a '),
    ],
)
def test_what_is_no_duration_is_told_in_the_words_of_the_configuration(
    capsys: pytest.CaptureFixture[str], arguments: Sequence[str], told: str
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)

    assert f"error: {told}" in capsys.readouterr().err


def test_the_demo_ends_quietly_when_nobody_reads_on() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        ended = subprocess.run([*PROGRAM, "demo"], stdout=out, stderr=subprocess.PIPE, timeout=120, check=False)

    assert (ended.returncode, ended.stderr) == (0, b"")


@pytest.mark.parametrize("shell", SHELLS)
def test_a_completion_script_is_one_of_its_shell(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["completion", shell]) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)

    assert "gatecrier" in script.read_text()
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} here that could read it")
    subprocess.run([shell, "-n", str(script)], check=True, timeout=60)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("gatecrier con", {"config"}),
        ("gatecrier config check --off", {"--offline"}),
        ("gatecrier completion f", {"fish"}),
    ],
)
def test_the_program_answers_the_shell(typed: str, offered: set[str], tmp_path: Path) -> None:
    found = tmp_path / "found"
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(found),
        "_ARGCOMPLETE_SUPPRESS_SPACE": "1",
        "COMP_LINE": typed,
        "COMP_POINT": str(len(typed)),
    }
    program = [sys.executable, "-c", "import sys; sys.argv[0] = 'gatecrier'; from router.cli import main; main()"]
    subprocess.run(program, env=os.environ | asked, check=True, timeout=60)

    assert {word.strip() for word in found.read_text().splitlines()} == offered
