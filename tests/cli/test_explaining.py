"""What people ask of stored events: `events`, `explain`, `routes`, and the forms in which every command answers."""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from router.cli import main
from router.cli.answering import CommandAnswer, answered
from router.cli.exit_codes import NO
from router.cli.tables import table
from router.events import as_json, encode
from router.outbox import Accepted, Attempt, NewEvent, Postponed
from router.outbox.sqlite import SqliteOutbox
from router.rendering.examples import EXAMPLES, NOTICES
from tests.assembly.small import Place
from tests.cli.test_asking import Gone

NOW = 1767312000.0
ROUTES = {
    "destinations": ["archive"],
    "routes": [
        {"destinations": ["archive"], "continue": True},
        {
            "match": ["decision.would_reject = true"],
            "destinations": ["people"],
            "routes": [{"match": ['request.namespace = "payments"'], "destinations": ["pager"]}],
        },
    ],
}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in which no row is folded."""
    monkeypatch.setenv("COLUMNS", "250")


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    out, err = capsys.readouterr()
    return code, out, err


def an_event(event_id: str, namespace: str = "payments", image: str = "registry.example/shop/web:1.4") -> bytes:
    event = json.loads(as_json(list(EXAMPLES.values())[1]))
    del event["data"]["sequence"]
    event["id"], event["data"]["request"]["namespace"] = event_id, namespace
    event["data"]["images"][0]["image"] = image
    encoded: bytes = encode(event)
    return encoded


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Three events: one with attempts of every kind, one of another namespace, one that is a notice."""
    files = [{"name": name, "kind": "file", "path": f"{name}.jsonl"} for name in ("archive", "people")]
    slack = {"name": "pager", "kind": "slack", "url": "https://hooks.example/1"}
    place = Place(
        tmp_path,
        destinations=[*files, slack],
        routes=ROUTES,
        enforcement={"default": "detect", "namespaces": {"payments": "enforce"}},
    )

    async def fill() -> None:
        outbox = await SqliteOutbox.open(tmp_path / "outbox.db", "replica-1", time_of_day=lambda: NOW)
        await outbox.append(NewEvent("event-1", an_event("event-1"), NOW, ("archive", "pager")))
        await outbox.append(NewEvent("event-2", an_event("event-2", "shop\x1b[2J", "evil/\u202e:1"), NOW, ("archive",)))
        notice = json.loads(as_json(NOTICES[0])) | {"id": "event-3"}
        await outbox.append(NewEvent("event-3", encode(notice), NOW, ()))
        queue = outbox.queue("owner")
        words = 'no "team" found'
        failed = Attempt(NOW + 1, 0.031, "http_503", 503, words)
        await queue.settle([Postponed("pager", "event-1", 60.0, 1, "http_503", words, attempt=failed)])
        await queue.settle([Accepted("archive", "event-1", NOW + 2, 1, Attempt(NOW + 2, 0.0042))])
        await outbox.close()

    asyncio.run(fill())
    return str(place.config)


def test_an_event_is_explained_with_every_attempt(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "explain", "event-1", "--config", config)

    assert code == 0
    assert "would have been rejected; mode detect, severity medium" in out
    assert "(container web-1): unsigned (no_signature)" in out
    assert "routes[0]: tells, matches -> pager" in out
    assert "archive: delivered, 1 attempt\n    2026-01-02T00:00:02Z  delivered in 4 ms" in out
    assert "pager: pending, 1 attempt, next 2026-01-02T00:0" in out
    assert '2026-01-02T00:00:01Z  http_503 in 31 ms, status 503, said "no "team" found"' in out


def test_explanations_are_also_for_programs(capsys: pytest.CaptureFixture[str], config: str) -> None:
    _, out, _ = said(capsys, "explain", "event-1", "--config", config, "--json")
    (found,) = json.loads(out)

    assert found["event"]["data"]["sequence"] == 1
    assert [one["path"] for one in found["routes"] if one["told"]] == ["routes.routes[0]", "routes.routes[1].routes[0]"]
    assert [one["tried"] for one in found["deliveries"]] == [
        [
            {
                "at": "2026-01-02T00:00:02Z",
                "seconds": 0.004,
                "is_accepted": True,
                "status": None,
                "reason": "",
                "words": "",
            }
        ],
        [
            {
                "at": "2026-01-02T00:00:01Z",
                "seconds": 0.031,
                "is_accepted": False,
                "status": 503,
                "reason": "http_503",
                "words": 'no "team" found',
            }
        ],
    ]


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (["--namespace", "payments"], ["event-1"]),
        (["--name", "web-"], ["event-2", "event-1"]),
        (["--name", "web-", "--limit", "1"], ["event-2"]),
        (["--image", "shop/web"], ["event-1"]),
        (["--image", "shop/web", "--namespace", "shop"], []),
        (["--namespace", "payments", "--since", "1h"], []),
    ],
)
def test_events_are_found_by_what_they_are_about(
    capsys: pytest.CaptureFixture[str], config: str, options: list[str], ids: list[str]
) -> None:
    code, out, _ = said(capsys, "explain", *options, "--config", config, "--json")

    assert [one["event"]["id"] for one in json.loads(out)] == ids
    assert code == (0 if ids else 1)


def test_a_notice_is_explained_too(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "explain", "event-3", "--config", config)

    assert code == 0
    assert "told of Gatecrier itself" in out
    assert "none: no route named a destination for it" in out


@pytest.mark.parametrize("arguments", [[], ["event-1", "--namespace", "payments"]])
def test_an_explanation_needs_one_way_to_the_event(
    capsys: pytest.CaptureFixture[str], config: str, arguments: list[str]
) -> None:
    code, _, err = said(capsys, "explain", *arguments, "--config", config)

    assert code == 2
    assert "--namespace" in err


def test_the_last_events_are_shown_the_newest_at_the_end(capsys: pytest.CaptureFixture[str], config: str) -> None:
    _, whole, _ = said(capsys, "events", "tail", "--config", config, "--json")
    _, two, _ = said(capsys, "events", "tail", "-n", "2", "--config", config)

    assert [one["id"] for one in json.loads(whole)] == ["event-1", "event-2", "event-3"]
    assert [line.split()[-1] for line in two.splitlines()] == ["EVENT", "event-2", "event-3"]


def test_nothing_of_an_event_is_obeyed_by_a_terminal(capsys: pytest.CaptureFixture[str], config: str) -> None:
    for command in (["events", "tail"], ["explain", "event-2"], ["routes", "test", "event-2"]):
        _, out, _ = said(capsys, *command, "--config", config)

        assert "\x1b" not in out
        assert "\u202e" not in out


def test_events_are_followed(capsys: pytest.CaptureFixture[str], config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once, whatever comes while nobody looks."""
    more = iter([("event-4", "event-5"), (), ("event-6",)])

    async def append(ids: tuple[str, ...]) -> None:
        outbox = await SqliteOutbox.open(Path(config).parent / "outbox.db", "replica-1")
        for one in ids:
            await outbox.append(NewEvent(one, an_event(one), NOW + 5, ("archive",)))
        await outbox.close()

    def pause(_: float) -> None:
        if (ids := next(more, None)) is None:
            raise KeyboardInterrupt
        asyncio.run(append(ids))

    monkeypatch.setattr("router.cli.answering.time.sleep", pause)
    code, out, _ = said(capsys, "events", "tail", "-n", "1", "--watch", "--jsonl", "--config", config)

    assert code == 130
    assert [json.loads(line)["id"] for line in out.splitlines()] == ["event-3", "event-4", "event-5", "event-6"]


def test_events_are_shown_whole(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "events", "show", "event-1", "--config", config)
    missing, told, _ = said(capsys, "events", "show", "event-1", "event-9", "--config", config)

    assert (code, json.loads(out)["id"]) == (0, "event-1")
    assert missing == 1
    assert "no event event-9 is stored here" in told


def test_events_are_searched_by_matchers(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(
        capsys,
        "events",
        "search",
        "images.verdict = unsigned",
        'request.namespace =~ "pay.*"',
        "--config",
        config,
        "--json",
    )
    none, _, _ = said(capsys, "events", "search", "images.verdict = invalid", "--config", config)
    wrong, _, err = said(capsys, "events", "search", "image.verdict = invalid", "--config", config)

    assert (code, [one["id"] for one in json.loads(out)]) == (0, ["event-1"])
    assert none == 1
    assert wrong == 2
    assert 'did you mean "images.verdict"' in err


def test_the_tree_of_routes_is_drawn(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "routes", "show", "--config", config)

    assert code == 0
    assert out.splitlines() == [
        "root: everything  -> archive",
        "  routes[0]: everything  -> archive  continue: true",
        "  routes[1]: decision.would_reject = true  -> people",
        '    routes[0]: request.namespace = "payments"  -> pager',
    ]


def told_by(capsys: pytest.CaptureFixture[str], config: str, *arguments: str) -> Mapping[str, object]:
    _, out, _ = said(capsys, "routes", "test", *arguments, "--config", config, "--json")
    return {one["destination"]: one["is_told"] for one in json.loads(out)}


def test_who_would_be_told_follows_from_what_the_configuration_makes_of_it(
    capsys: pytest.CaptureFixture[str], config: str
) -> None:
    code, out, _ = said(
        capsys, "routes", "test", "--namespace", "payments", "--verdict", "unsigned", "--config", config
    )
    told, _, missed = out.partition("not told, because:")

    assert code == 0
    assert "(rejected, enforce, high)" in out
    assert "archive      events  high      (the event)" in told
    assert "pager        events  high      slack" in told
    assert "people: routes.routes[1]: taken by routes.routes[1].routes[0]" in missed


def test_what_no_option_says_the_rules_say(capsys: pytest.CaptureFixture[str], config: str) -> None:
    refused = told_by(capsys, config, "--namespace", "shop")
    exempt = told_by(capsys, config, "--namespace", "shop", "--image", "r.example/free/x:1")
    failing = told_by(capsys, config, "--owner", "Deployment/web", "--verdict", "verified", "--verdict", "invalid")

    assert refused == {"archive": True, "people": True, "pager": False}
    assert exempt == {"archive": True, "people": False, "pager": False}
    assert failing == refused


def test_a_stored_event_and_one_in_a_file_are_told_by(
    capsys: pytest.CaptureFixture[str], config: str, tmp_path: Path
) -> None:
    file = tmp_path / "event.json"
    file.write_bytes(as_json(list(EXAMPLES.values())[2]))
    stored, of_file = told_by(capsys, config, "event-1"), told_by(capsys, config, str(file))

    assert stored == {"archive": True, "people": False, "pager": True}
    assert of_file == {"archive": True, "people": False, "pager": False}


@pytest.mark.parametrize(
    ("text", "problem"),
    [("{", "no JSON"), ("[]", "no event"), ('{"data": 1}', "no event"), ("x" * (2**20 + 1), "more than")],
)
def test_a_file_that_is_no_event_is_refused(
    capsys: pytest.CaptureFixture[str], config: str, tmp_path: Path, text: str, problem: str
) -> None:
    file = tmp_path / "event.json"
    file.write_text(text)
    code, _, err = said(capsys, "routes", "test", str(file), "--config", config)

    assert code == 2
    assert problem in err


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"data": "\xff"}', " is no JSON: the byte 0xff is not UTF-8; save the file as UTF-8\n"),
        (b'{"data": {"x": ' + b"9" * 5000 + b"}}", " holds what no event can: a number of thousands of digits\n"),
        (b"[" * 100_000, " is no JSON: too many lists and objects stand within each other\n"),
        (None, " can't be read: File name too long\n"),
    ],
)
def test_what_is_wrong_with_a_file_is_told_in_our_words(
    capsys: pytest.CaptureFixture[str], config: str, tmp_path: Path, content: bytes | None, words: str
) -> None:
    file = tmp_path / ("event.json" if content else "x" * 300)
    if content:
        file.write_bytes(content)
    for command in (("routes", "test", str(file)), ("templates", "render", "slack", "--event", str(file))):
        code, out, err = said(capsys, *command, "--config", config)

        assert (code, out, err) == (2, "", f"{file}{words}")


def test_an_event_of_any_shape_is_told_by(capsys: pytest.CaptureFixture[str], config: str, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text('{"data": {"decision": 1, "images": 7, "request": [null]}}')

    assert told_by(capsys, config, str(file)) == {"archive": True, "people": False, "pager": False}


def test_nobody_is_told_is_a_no(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, _ = said(capsys, "routes", "test", "event-3", "--config", config)
    unknown, _, _ = said(capsys, "routes", "test", "event-9", "--config", config)
    both, _, _ = said(capsys, "routes", "test", "event-1", "--namespace", "x", "--config", config)
    owner, _, err = said(capsys, "routes", "test", "--owner", "web", "--config", config)

    assert (code, unknown, both, owner) == (1, 1, 2, 2)
    assert "told:\n  nobody" in out
    assert "KIND/NAME" in err


def test_who_can_not_be_asked_could_not_tell(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    config = str(Place(tmp_path).config)
    for command in (["events", "tail"], ["explain", "event-1"], ["deliveries", "list"], ["routes", "test", "event-1"]):
        code, _, err = said(capsys, *command, "--config", config)

        assert code == 3
        assert "there is no outbox" in err


def test_lines_that_are_watched_tell_what_is_new_or_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(
        [
            CommandAnswer([{"a": 1}, {"b": 1}], "one"),
            CommandAnswer([{"a": 1}, {"b": 2}], "two"),
            CommandAnswer([], "two"),
        ]
    )
    arguments = argparse.Namespace(json=False, jsonl=True, watch=True)
    with pytest.raises(StopIteration):
        answered(arguments, lambda: next(answers), lambda _: None)

    assert capsys.readouterr().out.splitlines() == ['{"a": 1}', '{"b": 1}', '{"b": 2}']


def test_people_are_shown_the_whole_whenever_it_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter([CommandAnswer([], "one"), CommandAnswer([], "one"), CommandAnswer([], "two")])
    arguments = argparse.Namespace(json=False, jsonl=False, watch=True)
    with pytest.raises(StopIteration):
        answered(arguments, lambda: next(answers), lambda _: None)

    assert capsys.readouterr().out.splitlines() == ["one", "two"]


def test_whoever_stops_reading_ends_what_is_live_and_changes_no_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", Gone())
    arguments = argparse.Namespace(json=False, jsonl=True, watch=True)

    assert (
        answered(arguments, lambda: CommandAnswer([{"a": 1}], "one", NO), lambda _: pytest.fail("nobody reads on"))
        == NO
    )


def test_what_is_wrong_beside_an_answer_is_told_again_where_it_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    answers = iter(
        [
            CommandAnswer([], "a", problems=["x"]),
            CommandAnswer([], "a", problems=["x"]),
            CommandAnswer([], "a", problems=["y"]),
        ]
    )
    arguments = argparse.Namespace(json=False, jsonl=True, watch=True)
    with pytest.raises(StopIteration):
        answered(arguments, lambda: next(answers), lambda _: None)

    assert capsys.readouterr() == ("", "x\ny\n")


def test_an_array_that_goes_on_is_refused(capsys: pytest.CaptureFixture[str], config: str) -> None:
    code, out, err = said(capsys, "deliveries", "list", "--json", "--watch", "--config", config)

    assert (code, out) == (2, "")
    assert "--jsonl --watch" in err


def test_columns_are_as_wide_as_they_must_be() -> None:
    assert table(("A", "B"), [("long", "x"), ("y", "z")], nothing="-") == "A     B\nlong  x\ny     z"
    assert table(("A",), [], nothing="none") == "none"
