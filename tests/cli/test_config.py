from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from router.cli import config
from tests.settings.configurations import ENVIRONMENT, SMALL, example, written

Captured = pytest.CaptureFixture[str]


NOTE = (
    "note: {}:{}:1: routes: nobody is told of what is wrong with Gatecrier itself, such as a destination that fails: "
    "add a route that says `about: [gatecrier]` and names a destination\n"
)


def run(*arguments: str) -> int:
    """`gatecrier config ARGUMENTS`."""
    parser = argparse.ArgumentParser(prog="gatecrier")
    config.add(parser.add_subparsers())
    parsed = parser.parse_args(["config", *arguments])
    code: int = parsed.run(parsed)
    return code


def test_a_good_configuration_is_told_in_one_line(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    path = written(tmp_path, example())
    code = run("check", str(path))
    said = capsys.readouterr()

    assert code == 0
    assert said.out == f"{path}: valid (1 verifier, 5 rules, 2 registries, 4 destinations, 0 warnings)\n"
    assert said.err == NOTE.format(path, 87)


def test_warnings_do_not_refuse(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, SMALL + "verifiers: [{name: spare, kind: static, allow: true}]\n")
    code = run("check", str(path))
    said = capsys.readouterr()

    assert code == 0
    warning = f'warning: {path}:8:20: verifiers[0].name (spare): no rule uses the verifier "spare"\n'
    assert said.err == warning + NOTE.format(path, 7)
    assert said.out.endswith("1 warning)\n")


@pytest.mark.parametrize(
    ("found", "written_instead"),
    [
        ("{destinations: [archive]}", "{destinations: [archive], about: [decisions, gatecrier]}"),
        ("{destinations: [archive]}", "{destinations: [archive], routes: [{about: [gatecrier]}]}"),
        ("destinations: [{name: archive, kind: file, path: events.jsonl}]\nroutes: {destinations: [archive]}\n", ""),
    ],
)
def test_where_somebody_is_told_of_gatecrier_itself_or_nobody_of_anything_there_is_no_note(
    found: str, written_instead: str, tmp_path: Path, capsys: Captured
) -> None:
    assert found in SMALL
    assert run("check", str(written(tmp_path, SMALL.replace(found, written_instead)))) == 0

    assert "note:" not in capsys.readouterr().err


def test_a_bad_configuration_is_refused_with_its_problems(tmp_path: Path, capsys: Captured) -> None:
    path = written(tmp_path, SMALL.replace("cluster", "clutser"))
    code = run("check", str(path))
    said = capsys.readouterr()

    assert code == 1
    assert said.out == ""
    assert said.err.startswith(f'{path}:1:1: clutser: there is no such key; did you mean "cluster"?')


def test_the_schema_is_printed(capsys: Captured) -> None:
    assert run("schema") == 0

    assert json.loads(capsys.readouterr().out)["title"] == "Gatecrier configuration"


def test_the_reference_is_printed(capsys: Captured) -> None:
    assert run("reference") == 0
    assert capsys.readouterr().out.startswith("# Configuration\n")


def test_offline_neither_files_nor_environment_are_needed(tmp_path: Path, capsys: Captured) -> None:
    path = tmp_path / "gatecrier.yaml"
    path.write_text(example())
    code = run("check", "--offline", str(path))
    said = capsys.readouterr()

    assert code == 0
    assert said.out.endswith("; files and environment were not looked at)\n")


@pytest.mark.parametrize("name", ["gatecrier.yaml", "kubernetes/gatecrier.yaml"])
def test_every_shipped_example_passes_offline(name: str) -> None:
    assert run("check", "--offline", str(Path(__file__).resolve().parents[2] / "config" / name)) == 0
