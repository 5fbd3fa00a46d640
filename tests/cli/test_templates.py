"""A workshop for those who write templates, as they use it: at the terminal, with a folder of their own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from router.cli import main
from router.destinations.catalogue import KINDS
from router.rendering.examples import BY_NAME
from router.verdict import Mode, RequestOutcome, Verdict

Captured = pytest.CaptureFixture[str]
GOOD = '{\n  "text": "{{ alert_message }}",\n  "count": {{ event.images | length }}\n}\n'
ROUTING_KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no row is folded."""
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a template of one's own, and one that hides a shipped one."""
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "mine.json").write_text(GOOD)
    (folder / "sysdig.json").write_text(GOOD)
    path = tmp_path / "gatecrier.yaml"
    (tmp_path / "key").write_text(ROUTING_KEY)
    settings = {
        "templates": {"directory": "templates"},
        "outbox": {"url": "sqlite:///outbox.db"},
        "destinations": [
            {"name": "hook", "kind": "webhook", "url": "https://hook.example/secret-path", "template": "mine"},
            {"name": "chat", "kind": "slack", "url": {"env": "NOBODY_HAS_THIS"}},
            {"name": "pager", "kind": "pagerduty", "routing_key": {"file": "key"}},
            {"name": "archive", "kind": "file", "path": "events.jsonl"},
        ],
        "routes": {
            "destinations": ["hook"],
            "routes": [{"lane": "incidents", "destinations": ["chat"], "templates": {"chat": "teams-incident"}}],
        },
    }
    path.write_text(json.dumps(settings))
    return path


def said(capsys: Captured, *arguments: object) -> tuple[int, str, str]:
    """`gatecrier templates ARGUMENTS`."""
    code = main(["templates", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_the_shipped_templates_are_listed_without_a_configuration(capsys: Captured) -> None:
    code, out, _ = said(capsys, "list", "--json")
    found = {one["template"]: one for one in json.loads(out)}

    assert code == 0
    for kind in KINDS:
        if kind.template is not None and kind.incident_template is not None:
            assert found[kind.template]["purposes"] == ["decision"]
            assert found[kind.incident_template]["purposes"] == ["incident"]
            assert found[f"notices/{kind.template}"]["purposes"] == ["notice"]
    assert {one["origin"] for one in found.values()} == {"shipped"}


def test_a_configuration_says_where_templates_come_from_and_who_uses_them(capsys: Captured, config: Path) -> None:
    """None of its secrets is asked for: an author has none."""
    code, out, _ = said(capsys, "list", "--config", config, "--jsonl")
    found = {one["template"]: one for one in map(json.loads, out.splitlines())}

    assert code == 0
    assert (found["mine"]["origin"], found["mine"]["used_by"]) == ("directory", ["hook"])
    assert found["sysdig"]["file"] == str(config.parent / "templates" / "sysdig.json")
    assert found["slack"]["used_by"] == found["teams-incident"]["used_by"] == ["chat"]
    assert found["notices/pagerduty"]["used_by"] == ["pager"]
    assert "mine                   directory  decision  hook" in said(capsys, "list", "--config", config)[1]


def test_a_configuration_that_is_named_must_be_there(capsys: Captured, tmp_path: Path) -> None:
    code, _, err = said(capsys, "list", "--config", tmp_path / "none.yaml")

    assert code == 3
    assert "the configuration can't be read: No such file or directory" in err


def test_a_template_is_shown_as_it_stands(capsys: Captured, config: Path) -> None:
    assert said(capsys, "show", "sysdig", "--config", config) == (0, GOOD, "")
    assert said(capsys, "show", "sysdig")[1] != GOOD


@pytest.mark.parametrize("what", [("show", "slakc")])
def test_a_template_that_is_not_there_is_a_wrong_command_line(capsys: Captured, what: tuple[str, str]) -> None:
    code, out, err = said(capsys, *what)

    assert (code, out) == (2, "")
    assert err.startswith('"slakc" names no template; did you mean "slack"?')


def test_examples_are_listed_and_printed(capsys: Captured) -> None:
    _, out, _ = said(capsys, "examples", "--json")
    names = [one["example"] for one in json.loads(out)]
    code, printed, _ = said(capsys, "examples", "incident-resolved")

    assert names == [name for events in BY_NAME.values() for name in events]
    assert len(set(names)) == len(names)
    assert code == 0
    assert json.loads(printed)["type"] == "dev.gatecrier.incident.resolved.v1"
    assert said(capsys, "examples", "incident-resloved")[0] == 2


def test_examples_have_every_verdict_outcome_and_mode() -> None:
    decisions = [event["data"] for event in BY_NAME["decision"].values()]

    assert {image["verdict"] for data in decisions for image in data["images"]} == set(Verdict)
    assert {data["decision"]["outcome"] for data in decisions} == set(RequestOutcome)
    assert {data["decision"]["mode"] for data in decisions} == set(Mode)
    assert {data["workload"]["owner"] is None for data in decisions} == {True, False}
    assert {min(2, len(data["images"])) for data in decisions} == {0, 1, 2}
    assert any("\u202e" in image["image"] for data in decisions for image in data["images"])
