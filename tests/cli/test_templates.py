"""A workshop for those who write templates, as they use it: at the terminal, with a folder of their own."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from router.cli import main
from router.destinations.catalogue import KINDS
from router.events import encode
from router.outbox import NewEvent
from router.outbox.sqlite import SqliteOutbox
from router.rendering.examples import BY_NAME, EXAMPLES
from router.rendering.template import SOURCE_LIMIT
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


@pytest.mark.parametrize("what", [("show", "slakc"), ("render", "slakc"), ("lint", "slakc")])
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


def test_a_document_alone_is_on_standard_output(capsys: Captured, config: Path) -> None:
    code, out, err = said(capsys, "render", "mine", "--config", config, "--event", "unanswered-no-images-no-owner")

    assert code == 0
    assert json.loads(out)["count"] == 0
    assert err == f"{len(out.encode()) - 1} bytes; a document has at most 1048576\n"


def test_a_document_keeps_what_only_python_calls_a_line_break(capsys: Captured, config: Path, tmp_path: Path) -> None:
    source = '{"ns": "{{ namespace }}", "at": "\u2028\x85"}'
    (tmp_path / "templates" / "mine.json").write_text(source)
    file = tmp_path / "event.json"
    event = json.loads(said(capsys, "examples", "admitted-one-image")[1])
    event["data"]["request"]["namespace"] = "a\u2028b\x85c"
    file.write_text(json.dumps(event))
    out = said(capsys, "render", "mine", "--config", config, "--event", file)[1]

    assert json.loads(out) == {"ns": "a\u2028b\x85c", "at": "\u2028\x85"}
    assert said(capsys, "show", "mine", "--config", config)[1] == f"{source}\n"


def test_an_event_may_be_in_a_file_or_an_example_but_not_nowhere(capsys: Captured, config: Path) -> None:
    file = config.parent / "event.json"
    file.write_text(said(capsys, "examples", "admitted-one-image")[1])
    ours = said(capsys, "render", "sysdig", "--event", "admitted-one-image")

    assert said(capsys, "render", "sysdig", "--event", file) == ours
    file.write_text('{"type": "x", "data": {}}')
    assert said(capsys, "render", "sysdig", "--event", file)[::2] == (
        1,
        "the event is not whole: 'decision' is missing\n",
    )
    code, _, err = said(capsys, "render", "mine", "--config", config, "--event", "incident-opened")
    assert (code, err) == (
        2,
        'the template mine is for decisions; "incident-opened" is about an incident\n',
    )


def test_without_a_configuration_there_are_no_stored_events(capsys: Captured) -> None:
    code, _, err = said(capsys, "render", "slack", "--event", "admited-one-image")

    assert code == 2
    assert 'no stored event; did you mean "admitted-one-image"? (known: ' in err


def test_the_nearest_example_is_told_also_where_no_event_can_be_asked_for(capsys: Captured, config: Path) -> None:
    code, _, err = said(capsys, "render", "slack", "--config", config, "--event", "incident-opned")

    assert code == 3
    assert "stored events can't be asked for: there is no outbox" in err
    assert err.endswith("; did you mean the example incident-opened?\n")


def test_a_template_that_can_not_be_read_is_told_with_its_place_once(
    capsys: Captured, config: Path, tmp_path: Path
) -> None:
    (config.parent / "templates" / "mine.json").write_bytes(b'{\n"text": "\xff"}')
    code, out, _ = said(capsys, "lint", "mine", "--config", config)
    shown = said(capsys, "show", "mine", "--config", config)
    (config.parent / "templates" / "mine.json").write_bytes(b" " * (SOURCE_LIMIT + 1))
    _, large, _ = said(capsys, "lint", "mine", "--config", config)

    path = tmp_path / "templates" / "mine.json"
    told = "the byte 0xff is not UTF-8; save the file as UTF-8"
    assert (code, out.splitlines()[0]) == (1, f"{path}:2: {told} (for every decision)")
    assert shown == (3, "", f"template mine: line 2: {told}\n")
    assert large.startswith(f"{path}: it can't be read: it has more than {SOURCE_LIMIT} bytes (for every decision)\n")


def test_a_stored_event_is_rendered_by_its_id(capsys: Captured, config: Path) -> None:
    async def store() -> None:
        outbox = await SqliteOutbox.open(config.parent / "outbox.db", "replica-1", time_of_day=lambda: 1.0)
        body = encode({**EXAMPLES["would-reject-one-image-no-owner"], "id": "event-1"})
        await outbox.append(NewEvent("event-1", body, 1.0, ()))
        await outbox.close()

    code, _, err = said(capsys, "render", "mine", "--config", config, "--event", "event-1")
    assert code == 3
    assert err.startswith('"event-1" is no example and no file, and stored events can\'t be asked for: ')
    asyncio.run(store())

    assert json.loads(said(capsys, "render", "mine", "--config", config, "--event", "event-1")[1])["count"] == 1
    code, _, err = said(capsys, "render", "mine", "--config", config, "--event", "event-2")
    assert code == 2
    assert err.startswith('"event-2" is no example, no file and no stored event; expected one of rejected-many-images,')


def test_what_a_destination_is_sent_has_its_own_form_and_no_secret(capsys: Captured, config: Path) -> None:
    code, out, err = said(capsys, "render", "pagerduty", "--config", config, "--destination", "pager")

    assert code == 0
    assert json.loads(out)["routing_key"] == "[redacted]"
    assert "bytes as pager (pagerduty) is sent them; at most 512000 bytes of an event;" in err
    assert ROUTING_KEY not in out + err


def test_a_webhook_is_shown_what_it_would_be_sent_in_its_encoding_and_markup(capsys: Captured, config: Path) -> None:
    settings = json.loads(config.read_text())
    (config.parent / "templates" / "form.json").write_text('{"text": "{{ images }}", "more": [1, null]}')
    hook = {"name": "it", "kind": "webhook", "url": "https://hook.example/x", "template": "form"}
    arguments = ("--config", config, "--destination", "it", "--event", "rejected-hostile-names")
    config.write_text(json.dumps({**settings, "destinations": [{**hook, "encoding": "form", "markup": "markdown"}]}))
    code, out, err = said(capsys, "render", "form", *arguments)
    (text, more) = parse_qsl(out.removesuffix("\n"))

    assert code == 0
    assert text[1].startswith("\\['")
    assert "](" not in text[1].replace("\\](", "")
    assert more == ("more", "[1,null]")
    assert re.fullmatch(r"[0-9]+ bytes as it \(webhook\) is sent them\n", err)


def test_a_secret_of_the_destination_is_masked_wherever_a_template_is_tried(capsys: Captured, config: Path) -> None:
    settings = json.loads(config.read_text())
    (config.parent / "templates" / "own.json").write_text('{"token": "{{ destination.secrets.token }}"}')
    (config.parent / "templates" / "own.test.yaml").write_text(
        "- {event: admitted-one-image, contains: {token: redacted}}"
    )
    hook = {"name": "it", "kind": "webhook", "url": "https://hook.example/x", "template": "own"}
    secrets = {"token": {"file": "key"}}
    config.write_text(json.dumps({**settings, "destinations": [{**hook, "secrets": secrets}]}))
    masked = '{"token":"[redacted]"}\n'

    assert said(capsys, "render", "own", "--config", config)[:2] == (0, masked)
    code, out, err = said(capsys, "render", "own", "--config", config, "--destination", "it")
    assert (code, out) == (0, masked)
    assert ROUTING_KEY not in err
    assert said(capsys, "lint", "own", "--config", config)[:2] == (0, "1 template, all sound\n")
    assert said(capsys, "test", "--config", config)[:2] == (0, "1 expectation, all met\n")

    config.write_text(json.dumps({**settings, "destinations": [{**hook, "secrets": {"tokn": {"file": "key"}}}]}))
    code, out, err = said(capsys, "render", "own", "--config", config, "--destination", "it")
    assert (code, out) == (1, "")
    assert err.startswith('template own: line 1: the destination has no secret "token"; did you mean "tokn"?')


@pytest.mark.parametrize(
    ("destination", "beginning", "words"),
    [
        (
            {"kind": "syslog", "address": "siem.example:514", "transport": "udp", "format": "cef"},
            "<",
            "CEF:0|Gatecrier|",
        ),
        (
            {"kind": "smtp", "address": "mail.example:25", "from": "g@shop.example", "to": ["soc@shop.example"]},
            "From: g@shop.example",
            "Subject: ",
        ),
        ({"kind": "file", "path": "events"}, '{"specversion":', '"dev.gatecrier.admission'),
    ],
    ids=lambda one: one.get("kind") if isinstance(one, dict) else "",
)
def test_what_is_not_sent_over_http_is_shown_as_it_goes_out(
    capsys: Captured, config: Path, destination: dict[str, object], beginning: str, words: str
) -> None:
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "destinations": [{"name": "it", **destination}]}))
    template = "webhook" if destination["kind"] == "file" else str(destination["kind"])
    code, out, _ = said(capsys, "render", template, "--config", config, "--destination", "it")

    assert code == 0
    assert out.startswith(beginning)
    assert words in out


def test_what_is_asked_beforehand_is_not_what_is_sent(
    capsys: Captured, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jira is asked whether there is a ticket: an author wants to see the one that would be made."""
    monkeypatch.setenv("JIRA", "token")
    jira = {"name": "desk", "kind": "jira", "url": "https://x.example", "email": "a@b.example", "project": "SEC"}
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "destinations": [{**jira, "token": {"env": "JIRA"}}]}))
    _, made, _ = said(capsys, "render", "jira-incident", "--config", config, "--destination", "desk")
    over = ("render", "jira-incident", "--config", config, "--destination", "desk", "--event", "incident-resolved")

    assert json.loads(made)["fields"]["summary"] == "Deployment web in payments: would be rejected"
    assert said(capsys, *over) == (0, "", "nothing is sent: desk does not want such an event\n")


def test_what_a_destination_does_not_want_is_not_sent(capsys: Captured, config: Path) -> None:
    arguments = ("render", "pagerduty", "--config", config, "--destination", "pager", "--event", "admitted-one-image")

    assert said(capsys, *arguments) == (0, "", "nothing is sent: pager does not want such an event\n")


def test_what_is_cut_for_a_service_is_told(capsys: Captured, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOBODY_HAS_THIS", "https://hooks.slack.com/services/T0/B0/secret")
    long = '{"text": "x", "blocks": [{"type": "header", "text": {"type": "plain_text", "text": "%s"}}]}' % ("y" * 200)
    (config.parent / "templates" / "long.json").write_text(long)
    code, out, err = said(capsys, "render", "long", "--config", config, "--destination", "chat")

    assert code == 0
    assert "y" * 149 + "…" in out
    assert err.splitlines()[1:] == ["/blocks/0/text/text: cut from 200 to 150 characters"]


def test_a_secret_that_is_not_there_and_a_destination_that_is_not_there_are_told(
    capsys: Captured, config: Path
) -> None:
    code, out, err = said(capsys, "render", "mine", "--config", config, "--destination", "chat")
    assert (code, out) == (3, "")
    assert "NOBODY_HAS_THIS" in err

    for command in ("render", "send"):
        code, _, err = said(capsys, command, "mine", "--config", config, "--destination", "pagr")
        assert code == 2
        assert err.startswith('"pagr" names no destination of')


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        ({"kind": "slack", "url": "https://hooks.slack.com/services/T/B/hush"}, "url: a secret is a reference"),
        ({"kind": "webhook", "url": "https://u:hush@h.example/x"}, "a url has no user"),
        ({"kind": "webhok", "url": "https://hush.example/x"}, 'kind: "webhok" is not a known kind'),
    ],
)
def test_a_destination_that_can_not_be_used_is_told_without_what_may_be_secret(
    capsys: Captured, config: Path, destination: dict[str, object], words: str
) -> None:
    """A secret that somebody wrote as it is must not come back in an error."""
    settings = json.loads(config.read_text())
    config.write_text(json.dumps({**settings, "destinations": [{"name": "it", **destination}]}))
    code, out, err = said(capsys, "render", "mine", "--config", config, "--destination", "it")

    assert (code, out) == (3, "")
    assert err.startswith(f"{config}: it: ")
    assert words in err
    assert "hush" not in err


def test_two_templates_are_compared(capsys: Captured, config: Path) -> None:
    (config.parent / "templates" / "other.json").write_text(GOOD.replace("count", "images"))
    code, out, _ = said(capsys, "render", "other", "--config", config, "--diff", "mine")
    changed = [line for line in out.splitlines() if line[0] in "+-"]

    assert code == 1
    assert changed == ["--- mine", "+++ other", '-  "count": 9', '+  "images": 9']
    assert said(capsys, "render", "sysdig", "--config", config, "--diff", "mine")[:2] == (0, "")


def test_a_template_that_fails_renders_nothing(capsys: Captured, config: Path) -> None:
    (config.parent / "templates" / "mine.json").write_text('[\n"{{ event.workload.owner.name }}"]')
    arguments = ("render", "mine", "--config", config)

    assert said(capsys, *arguments)[:2] == (0, '["web-7d4b9c"]\n')
    code, out, err = said(capsys, *arguments, "--event", "would-reject-one-image-no-owner")
    assert (code, out) == (1, "")
    assert err.startswith("template mine: line 2: ")


def test_the_shipped_templates_are_sound(capsys: Captured) -> None:
    code, out, _ = said(capsys, "lint")

    assert code == 0
    assert out.endswith(" templates, all sound\n")


def test_a_flaw_is_told_with_its_line_and_the_examples_that_show_it(capsys: Captured, config: Path) -> None:
    file = config.parent / "templates" / "mine.json"
    file.write_text('[\n"{{ event.workload.owner.name }}"]')
    code, out, _ = said(capsys, "lint", "mine", "sysdig", "--config", config)

    assert code == 1
    assert out.splitlines()[0].startswith(f"{file}:2: ")
    assert out.splitlines()[0].endswith(
        "(for would-reject-one-image-no-owner, break-glass-two-images-no-owner, unanswered-no-images-no-owner)"
    )
    assert out.splitlines()[1:] == ["2 templates, 1 with flaws"]
    _, out, _ = said(capsys, "lint", "mine", "--config", config, "--json")
    (found,) = json.loads(out)
    assert (found["is_sound"], found["flaws"][0]["line"]) == (False, 2)


def test_a_template_that_can_not_be_read_is_a_flaw_for_every_example(capsys: Captured, config: Path) -> None:
    (config.parent / "templates" / "mine.json").write_text('[\n\n"{{ alert_mesage }}"]')
    code, out, _ = said(capsys, "lint", "mine", "--config", config)

    assert code == 1
    assert ':3: there is no "alert_mesage"; did you mean "alert_message"? (for every decision)\n' in out


EXPECTATIONS = """
- event: rejected-many-images
  equals: {count: 9}
  contains: {/text: rejected}
  absent: [user, text.0, /count/0]
- event: admitted.json
  equals: {/count: 1}
"""


def expecting(config: Path, text: str) -> Path:
    """A file of expectations beside the template."""
    file = config.parent / "templates" / "mine.test.yaml"
    file.write_text(text)
    (file.parent / "admitted.json").write_text(json.dumps(EXAMPLES["admitted-one-image"]))
    return file


def test_expectations_that_are_met_are_counted(capsys: Captured, config: Path) -> None:
    file = expecting(config, EXPECTATIONS)

    everything = (0, "2 expectations, all met\n", "")
    assert said(capsys, "test", "--config", config) == everything
    assert said(capsys, "test", file) == everything  # the template beside it needs no configuration


@pytest.mark.parametrize(
    ("expected", "words"),
    [
        ("equals: {count: 8}", "count is 9; expected 8"),
        ("equals: {count: '9'}", 'count is 9; expected "9"'),
        ("equals: {count: true}", "count is 9; expected true"),
        ("equals: {counts: 9}", "counts is not there; expected 9"),
        ("equals: {text.zzz: 9}", "text.zzz is not there; expected 9"),
        ("contains: {count: 9}", "count is 9; expected it to contain 9"),
        ("contains: {/a~1b: x}", '/a~1b is not there; expected it to contain "x"'),
        ("absent: [count]", "count is 9; expected nothing there"),
        ("absent: ['']", ' is {"text": '),
    ],
)
def test_what_is_not_met_is_told_with_its_line(capsys: Captured, config: Path, expected: str, words: str) -> None:
    file = expecting(config, f"- event: rejected-many-images\n  {expected}\n")
    code, out, _ = said(capsys, "test", "--config", config)
    _, objects, _ = said(capsys, "test", "--config", config, "--json")

    assert code == 1
    assert out.startswith(f"{file}:1: rejected-many-images: {words}")
    assert [(one["line"], one["is_met"], len(one["unmet"])) for one in json.loads(objects)] == [(1, False, 1)]


def test_lists_contain_items_and_places_lead_into_them(capsys: Captured, config: Path) -> None:
    (config.parent / "templates" / "mine.json").write_text('{"a/b": [{"x.y": null}, "{{ namespace }}"]}')
    expecting(config, "- {event: rejected-many-images, contains: {/a~1b: payments}, equals: {/a~1b/0/x.y: null}}\n")

    assert said(capsys, "test", "--config", config)[0] == 0


def test_a_template_that_fails_meets_nothing(capsys: Captured, config: Path) -> None:
    (config.parent / "templates" / "mine.json").write_text('[\n"{{ event.workload.owner.name }}"]')
    expecting(config, "- {event: would-reject-one-image-no-owner, absent: [x]}\n- {event: nowhere, absent: [x]}\n")
    code, out, _ = said(capsys, "test", "--config", config)

    assert code == 1
    assert ":1: would-reject-one-image-no-owner: template mine: line 2: " in out
    assert ':2: nowhere: "nowhere" is no example, no file and no stored event' in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {event: rejected-many-images}\n", ":1:3: nothing is expected; say `equals`, `contains` or `absent`"),
        ("- event: x\n  equal: {a: 1}\n", ':2:3: equal: there is no such key; did you mean "equals"?'),
        ("- absent: [x]\n", ":1:3: event: "),
        ("- {event: [x], absent: [x]}\n", ":1:11: event: "),
        ("- event: x\n  absent: [a]\n- 3\n- [a]\n", ":3:3: found 3; expected a map with `event`"),
        ("event: x\n", ": expected a list of 1 to 1000 maps, each with `event`"),
        ("", ": expected a list of 1 to 1000 maps, each with `event`"),
        ("- {event: x, absent: [a]\n", ":2:1: "),
    ],
)
def test_a_file_that_holds_no_expectations_could_not_be_told(
    capsys: Captured, config: Path, text: str, words: str
) -> None:
    file = expecting(config, text)
    code, out, err = said(capsys, "test", "--config", config)

    assert (code, out) == (3, "")
    assert err.startswith(f"{file}{words}")


def test_a_pipeline_that_tests_nothing_fails(capsys: Captured, config: Path, tmp_path: Path) -> None:
    assert said(capsys, "test", "--config", config)[0] == 1
    (config.parent / "templates" / "gone.test.yaml").write_text(EXPECTATIONS)
    code, _, err = said(capsys, "test", "--config", config)

    assert code == 2
    assert "expected NAME.test.yaml beside NAME.json" in err
    gone = tmp_path / "nonexistent.test.yaml"
    assert said(capsys, "test", gone, "--config", config) == (2, "", f'there is no file "{gone}"\n')


PAGE = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()


BLOCK = re.compile(
    r"<!-- (?:file: (?P<file>\S+)|session) -->\n```[a-z]+\n(?P<text>.*?)```\n",
    re.DOTALL,
)


def test_the_worked_examples_of_the_page_work(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever copies them, in the page's order, gets what the page says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "templates").mkdir()
    for name in re.findall(r"\{env: ([A-Z_]+)\}", PAGE):
        monkeypatch.setenv(name, "https://hidden.example/secret" if name.endswith("_URL") else "hidden")
    asked = 0
    for found in BLOCK.finditer(PAGE):
        if found["file"]:
            (tmp_path / found["file"]).write_text(found["text"])
            continue
        for one in found["text"].removeprefix("$ gatecrier ").split("$ gatecrier "):
            line, _, shown = one.partition("\n")
            main(shlex.split(line))
            out, err = capsys.readouterr()
            assert (err + out).replace(f"{tmp_path}/", "") == shown
            asked += 1

    assert asked == 10
    main(["config", "check", "--offline", "gatecrier.yaml"])
    told = "".join(capsys.readouterr()).splitlines()
    assert [line for line in told if ": is missing; " not in line] == []  # what is there of it is right
