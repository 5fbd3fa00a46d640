"""One example to real receivers, as whoever writes templates sends it: they see that it is a test, and have peace."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli import main
from router.cli.templates.sending import _heard
from router.cli.templates.shelf import wanted
from router.cli.templates.trial import MARK, PATIENCE, Trial, TrialReply, _answer, _may_pass, marked
from router.destinations.catalogue import KINDS
from router.destinations.document import Destination, Document
from router.destinations.kind import AnyKind, HttpKind, OwnKind
from router.destinations.outcome import AttemptOutcome, Delivered, Outcome, PendingReceipt, TryAgain
from router.destinations.uses import WrittenDestination, uses_of
from router.rendering.examples import BY_NAME, EXAMPLES, INCIDENTS, WHOLE
from router.settings.templates_part import destination_of, egress_of
from tests.contracts.http_dialects import taken
from tests.contracts.kinds import beforehand, least, secret, told_at, variables_of
from tests.simulators.alertmanager import Alertmanager, alertmanager
from tests.simulators.jira import Jira
from tests.simulators.mail import MailServer
from tests.simulators.pagerduty import PagerDuty
from tests.simulators.sinks import Receipt, Sink, answer
from tests.simulators.virtual_time import virtually

__all__ = ["alertmanager"]
Captured = pytest.CaptureFixture[str]
NOW = "2026-11-29T12:00:00.000Z"
KEY = secret("ROUTING_KEY")
HTTP = [kind for kind in KINDS if isinstance(kind, HttpKind)]
OPENING = [kind for kind in KINDS if kind.ending is not None]


@dataclass
class Desk:
    """Where somebody types commands."""

    folder: Path
    capsys: Captured
    variables: pytest.MonkeyPatch
    written: dict[str, object] = field(default_factory=dict)

    def has(self, destination: Mapping[str, object], url: str = "", **templates: str) -> None:
        """Give it a destination, and templates of its own."""
        (self.folder / "templates").mkdir(exist_ok=True)
        for name, text in templates.items():
            (self.folder / "templates" / f"{name}.json").write_text(text)
        self.written = told_at(destination, url) if url else dict(destination)
        for name, value in variables_of(destination, url).items():
            self.variables.setenv(name, value)
        settings = {
            "templates": {"directory": "templates"},
            "egress": {"allow": ["127.0.0.0/8"]},
            "destinations": [self.written],
        }
        (self.folder / "gatecrier.yaml").write_text(json.dumps(settings))

    def trial(self, template: str) -> Trial:
        """What `templates send` makes."""
        config = self.folder / "gatecrier.yaml"
        settings = destination_of(config, "it", os.environ)
        return Trial(settings, egress_of(config), wanted(config, template), WHOLE, NOW)

    async def sends(self, template: str, *more: str) -> tuple[int, str, str]:
        """`gatecrier templates send TEMPLATE`; in a thread, for the receivers live in this one."""
        config = str(self.folder / "gatecrier.yaml")
        line = ["templates", "send", template, "--destination", "it", "--config", config, *more]
        code = await asyncio.to_thread(main, line)
        return code, *self.capsys.readouterr()


@pytest.fixture
def desk(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, capsys, monkeypatch)


def templates_of(kind: AnyKind) -> list[str]:
    """Those of the kind; of one that has none, a template of an author."""
    return [use.template for use in uses_of(WrittenDestination(), kind, None)] or ["mine"]


JSON_TEXTS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.sampled_from(["trigger", "resolve", "", "x"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["event_action", "payload", "labels", "endsAt", "is_over", "summary", "text", "links", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
).map(lambda one: json.dumps(one).encode())
MINE = '{"text": "{{ alert_message }}"}'


@pytest.mark.parametrize(
    ("kind", "template"),
    [(kind, one) for kind in HTTP for one in templates_of(kind)],
    ids=lambda one: getattr(one, "name", one),
)
async def test_whoever_is_told_sees_that_it_is_a_test(kind: AnyKind, template: str, desk: Desk, tmp_path: Path) -> None:
    async with Sink(taken(kind.name, tmp_path), beforehand=beforehand).running() as sink:
        desk.has(least(kind), sink.url(), mine=MINE)
        code, out, err = await desk.sends(template, "--yes")

    assert (code, err) == (0, "")
    assert MARK.encode() in sink.got[0].body
    assert "it: " in out
    assert ", delivered" in out


@pytest.mark.parametrize("kind", [kind for kind in KINDS if isinstance(kind, OwnKind)], ids=lambda kind: kind.name)
async def test_so_does_whoever_is_not_told_over_http(kind: AnyKind, desk: Desk) -> None:
    said, heard = bytearray(), asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while more := await reader.read(65536):
            said.extend(more)
        writer.close()
        heard.set()

    mail, lines = MailServer(), await asyncio.start_server(take, "127.0.0.1", 0)
    port = lines.sockets[0].getsockname()[1]
    async with mail.running():
        match kind.name:
            case "smtp":
                at: Mapping[str, object] = {"address": f"127.0.0.1:{mail.port}", "security": "none", "plain": True}
            case "syslog":
                at = {"address": f"127.0.0.1:{port}", "transport": "tcp"}
            case _:
                at = {"path": str(desk.folder / "events")}
        desk.has({**least(kind), **at}, mine=MINE)
        code, out, _ = await desk.sends(templates_of(kind)[0])
        if kind.name == "syslog":
            await heard.wait()
    lines.close()
    await lines.wait_closed()
    said += b"".join(one.content for one in mail.got)
    if (desk.folder / "events").exists():
        said += (desk.folder / "events").read_bytes()

    assert (code, out.endswith(", delivered\n")) == (0, True)
    assert MARK.encode() in said


@pytest.mark.parametrize("name", [name for events in BY_NAME.values() for name in events])
def test_a_test_shares_no_key_with_anything_real(name: str) -> None:
    """What it opens is known by keys; to end a test must never end an alert about something that has happened."""
    event = next(events[name] for events in BY_NAME.values() if name in events)
    one, other = marked(event, NOW), marked(event, NOW)

    for test in (one, other):
        assert test["time"] == NOW
        assert str(test["subject"]).startswith(f"{MARK}/")
    assert not ids(one) & ids(event)
    assert not ids(one) & ids(other)


def ids(event: Mapping[str, Any]) -> set[str]:
    data = event["data"]
    found = {event["id"], data.get("corrects"), data.get("incident", {}).get("id"), data.get("request", {}).get("uid")}
    return {one for one in found if one is not None}


def test_an_event_that_is_marked_is_not_changed() -> None:
    before = json.dumps(WHOLE)
    marked(WHOLE, NOW)

    assert json.dumps(WHOLE) == before


PAGER = {"name": "it", "kind": "pagerduty", "routing_key": {"env": "ROUTING_KEY"}, "url": "-", "plain_http": True}


@pytest.mark.parametrize("template", ["pagerduty", "pagerduty-incident", "mine"])
async def test_an_alert_of_a_pager_is_opened_and_resolved(template: str, desk: Desk) -> None:
    """Whatever the template says of the key."""
    pager = PagerDuty(KEY)
    async with Sink(behave=pager.behave).running() as sink:
        desk.has(PAGER, sink.url(""), mine=MINE)
        code, out, _ = await desk.sends(template, "--yes")
        alerts = await pager.until(2)

    assert code == 0
    assert [(MARK in alert.summary, alert.is_open) for alert in alerts] == [(True, False)]
    assert out.count("answered 202: {") == 2
    assert "it: told that it is over, delivered\n" in out
    assert KEY not in out


@pytest.mark.parametrize("kind", OPENING, ids=lambda kind: kind.name)
@given(body=st.one_of(st.binary(max_size=200), JSON_TEXTS))
def test_whatever_was_sent_is_ended_once(kind: AnyKind, body: bytes) -> None:
    """A template may make anything of its own, and an end is ended by nothing."""
    assert kind.ending is not None
    ended = kind.ending(Document("event-1", body))

    assert ended is None or (ended.event_id == "event-1" and kind.ending(ended) is None)


async def test_the_page_shows_what_it_says(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "templates.md").read_text()
    pager = PagerDuty(KEY)
    async with Sink(behave=pager.behave).running() as sink:
        desk.has({**PAGER, "name": "pager"}, sink.url(""))
        monkeypatch.setattr("sys.stdin", _Typed("y\n", is_terminal=True))
        more = ("--destination", "pager", "--event", "incident-opened")
        _, out, err = await desk.sends("pagerduty-incident", *more)

    assert f"```text\n{err}y\n{out}```\n" in page


def test_what_is_answered_again_and_again_is_one_line() -> None:
    """The end of an alert is asked for until it is taken, for half a minute."""
    same = [TrialReply(500, "no"), *[TrialReply(404, "")] * 30, TrialReply(200, "ok"), TrialReply(200, "ok")]

    assert [*_heard(same)] == ["answered 500: no", "answered 404, 30 times", "answered 200: ok", "answered 200: ok"]


async def test_what_opens_nothing_is_not_ended(desk: Desk) -> None:
    pager = PagerDuty(KEY)
    async with Sink(behave=pager.behave).running() as sink:
        desk.has(PAGER, sink.url(""))
        resolved = await desk.sends("pagerduty-incident", "--event", "incident-resolved", "--yes")
        nothing = await desk.sends("pagerduty", "--event", "admitted-one-image", "--yes")

    assert (resolved[0], len(sink.got)) == (0, 1)
    assert nothing == (0, "nothing was sent: it does not want such an event\n", "")


@pytest.mark.parametrize(("resolve", "category"), [("Close", "done"), ("comment", "new")])
async def test_a_ticket_is_made_and_closed_where_a_transition_is_configured(
    resolve: str, category: str, desk: Desk
) -> None:
    jira = Jira(lags=True)
    async with Sink(behave=jira.behave).running() as sink:
        written = {"name": "it", "kind": "jira", "email": "a@b.example", "token": {"env": "TOKEN"}, "project": "SEC"}
        desk.has({**written, "plain_http": True, "resolve": resolve, "url": "-"}, sink.url(""))
        code, _, _ = await desk.sends("jira-incident", "--yes")

    assert code == 0
    assert [(one.category, len(one.comments)) for one in jira.tickets] == [(category, 1)]
    assert MARK in str(jira.tickets[0].fields["summary"])


async def test_an_alert_in_alertmanager_ends(alertmanager: Alertmanager, desk: Desk) -> None:
    desk.has({"name": "it", "kind": "alertmanager", "urls": [], "plain_http": True}, alertmanager.url)
    code, out, _ = await desk.sends("alertmanager-incident", "--yes")

    assert (code, out.count("answered 200")) == (0, 2)
    assert alertmanager.active(owner="TEST web") == []


async def test_what_was_perhaps_opened_is_ended_too(desk: Desk) -> None:
    pager = PagerDuty(KEY)

    def taken_unsaid(receipt: Receipt) -> bytes:
        said = pager.behave(receipt)
        return answer("504 Gateway Timeout") if b"trigger" in receipt.body else said

    async with Sink(behave=taken_unsaid).running() as sink:
        desk.has(PAGER, sink.url(""))
        code, out, _ = await desk.sends("pagerduty", "--yes")

    assert code == 3
    assert " bytes, not delivered: http_504; it may be taken later\n" in out
    assert [one.is_open for of_key in pager.alerts.values() for one in of_key] == [False]


async def test_whoever_interrupts_it_leaves_nothing_open(desk: Desk) -> None:
    pager, opened = PagerDuty(KEY), asyncio.Event()

    def silent(receipt: Receipt) -> bytes | None:
        said = pager.behave(receipt)
        opened.set()
        return None if b"trigger" in receipt.body else said

    async with Sink(behave=silent).running() as sink:
        desk.has(PAGER, sink.url(""))
        trial = await asyncio.to_thread(desk.trial, "pagerduty")
        sending = asyncio.create_task(trial.run())
        await opened.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending

    assert [one.is_open for of_key in pager.alerts.values() for one in of_key] == [False]


async def test_a_secret_of_the_destination_goes_to_it_and_nowhere_else(desk: Desk) -> None:
    told = '{"token": "{{ destination.secrets.token }}", "text": "{{ alert_message }}"}'
    async with Sink(answer("400 Bad", b"no such token: " + KEY.encode())).running() as sink:
        hook = {"name": "it", "kind": "webhook", "url": "-", "plain_http": True, "template": "mine"}
        desk.variables.setenv("ROUTING_KEY", KEY)
        desk.has({**hook, "secrets": {"token": {"env": "ROUTING_KEY"}}}, sink.url(), mine=told)
        code, out, err = await desk.sends("mine")

    assert (code, json.loads(sink.got[0].body)["token"]) == (1, KEY)
    assert "answered 400: no such token: [redacted]" in out
    assert KEY not in out + err


@pytest.mark.parametrize("kind", OPENING, ids=lambda kind: kind.name)
async def test_before_somebody_is_called_it_asks(kind: AnyKind, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Sink().running() as sink:
        desk.has(least(kind), sink.url())
        monkeypatch.setattr("sys.stdin", _Typed(""))
        assert await desk.sends(str(kind.template)) == (
            2,
            "",
            "it may call somebody or make a ticket; say --yes where nobody can be asked\n",
        )
        monkeypatch.setattr("sys.stdin", _Typed("no\n", is_terminal=True))
        code, out, err = await desk.sends(str(kind.template))

    assert (code, out) == (1, "")
    assert err == "it may call somebody or make a ticket. Send it? [y/N] nothing was sent: that was no yes\n"
    assert not sink.got


async def test_whoever_says_yes_is_obeyed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    pager = PagerDuty(KEY)
    async with Sink(behave=pager.behave).running() as sink:
        desk.has(PAGER, sink.url(""))
        monkeypatch.setattr("sys.stdin", _Typed("y\n", is_terminal=True))
        code, _, _ = await desk.sends("pagerduty")

    assert (code, pager.taken) == (0, 2)


class _Typed:
    """Standard input."""

    def __init__(self, text: str, *, is_terminal: bool = False) -> None:
        self._text, self._is_terminal = text, is_terminal

    def isatty(self) -> bool:
        return self._is_terminal

    def readline(self) -> str:
        return self._text


async def test_a_template_that_shows_no_test_pages_nobody(desk: Desk) -> None:
    async with Sink().running() as sink:
        desk.has(PAGER, sink.url(""), mine='{"payload": {"summary": "{{ images }}"}}')
        code, out, err = await desk.sends("mine", "--yes")

    assert (code, out, sink.got) == (1, "", [])
    assert err.startswith("nothing was sent: nobody could know it for a test, ")


async def test_a_word_that_only_sounds_like_it_shows_no_test(desk: Desk) -> None:
    async with Sink().running() as sink:
        desk.has(PAGER, sink.url(""), mine='{"payload": {"summary": "LATEST DECISION about {{ images }}"}}')
        code, _, err = await desk.sends("mine", "--yes")

    assert (code, sink.got) == (1, [])
    assert err.startswith("nothing was sent: nobody could know it for a test, ")


async def test_a_test_that_would_end_what_is_real_is_not_sent(desk: Desk) -> None:
    """Its key is made of nothing that a test has by itself."""
    key = "{{ cluster }}/{{ event.images[0].image }}"
    async with Sink().running() as sink:
        desk.has(
            PAGER, sink.url(""), mine=f'{{"dedup_key": "{key}", "payload": {{"summary": "{{{{ alert_message }}}}"}}}}'
        )
        code, _, err = await desk.sends("mine", "--yes")

    assert (code, sink.got) == (1, [])
    assert "the test would have the key of what is real" in err


async def test_where_nothing_is_opened_it_asks_whether_that_is_meant(desk: Desk) -> None:
    async with Sink().running() as sink:
        hook = {"name": "it", "kind": "webhook", "url": "-", "plain_http": True}
        desk.has(hook, sink.url(), mine='{"n": {{ event.images | length }}}')
        code, _, err = await desk.sends("mine")
        sent = await desk.sends("mine", "--yes")

    assert (code, err) == (2, "it will not see that it is a test; say --yes where nobody can be asked\n")
    assert (sent[0], [one.body for one in sink.got]) == (0, [b'{"n": 9 }'])
    assert sink.got[0].headers["content-type"] == "application/json"


async def test_a_template_that_fails_sends_nothing(desk: Desk) -> None:
    async with Sink().running() as sink:
        desk.has({"name": "it", "kind": "slack", "url": {"env": "URL"}}, "https://hooks.slack.com/services/T/B/x")
        desk.has(PAGER, sink.url(""), mine='{"text": "{{ event.workload.owner.name }}"}')
        failing = await desk.sends("mine", "--event", "would-reject-one-image-no-owner", "--yes")
        misnamed = await desk.sends("mein", "--yes")
        of_others = await desk.sends("mine", "--event", "incident-opened", "--yes")

    assert failing[:2] == (1, "")
    assert failing[2].startswith("template mine: line 1: ")
    assert (misnamed[0], of_others[0], sink.got) == (2, 2, [])


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        ("200 OK", 0, "delivered"),
        ("400 Bad", 1, "not delivered: http_400"),
        ("401 No", 1, "not delivered: unauthorised ("),
        ("429 Slow", 3, "not delivered: rate_limited (the receiver wants fewer requests (429)); it may be taken later"),
        ("500 Oops", 3, "not delivered: http_500; it may be taken later"),
    ],
)
async def test_the_exit_code_says_whether_it_was_taken(says: str, code: int, words: str, desk: Desk) -> None:
    async with Sink(answer(says, b'{"why": "so"}')).running() as sink:
        desk.has({"name": "it", "kind": "webhook", "url": {"env": "URL"}, "plain_http": True}, sink.url(), mine=MINE)
        found, out, _ = await desk.sends("mine")
        _, objects, _ = await desk.sends("mine", "--json")

    status = int(says[:3])
    assert found == code
    assert out.splitlines()[0] == f'answered {status}: {{"why": "so"}}'
    assert f" bytes, {words}" in out.splitlines()[1]
    assert [one["answers"] for one in json.loads(objects)] == [[{"status": status, "words": '{"why": "so"}'}]]


async def test_nobody_there_may_be_there_later(desk: Desk) -> None:
    async with Sink().running() as sink:
        url = sink.url()
    desk.has({"name": "it", "kind": "webhook", "url": {"env": "URL"}, "plain_http": True}, url, mine=MINE)
    code, out, _ = await desk.sends("mine")

    assert (code, "answered" in out) == (3, False)
    assert "not delivered: connection_failed (no connection" in out


async def test_a_secret_of_a_template_is_sent_and_not_shown(desk: Desk) -> None:
    own = '{"text": "{{ alert_message }}", "token": "{{ destination.secrets.token }}"}'
    hook = {"name": "it", "kind": "webhook", "url": {"env": "URL"}, "plain_http": True}
    async with Sink(behave=lambda got: answer("200 OK", got.body[-60:])).running() as sink:
        desk.has({**hook, "secrets": {"token": {"env": "TOKEN"}}}, sink.url(), mine=own)
        code, out, err = await desk.sends("mine")
        desk.has({**hook, "secrets": {"other": {"env": "TOKEN"}}}, sink.url(), mine=own)
        undeclared = await desk.sends("mine")
    (got,) = sink.got

    assert code == 0
    assert json.loads(got.body)["token"] == secret("TOKEN")
    assert secret("TOKEN")[:8] not in out + err
    assert undeclared[0] == 1
    assert 'the destination has no secret "token"' in undeclared[2]


async def test_an_answer_that_repeats_a_secret_is_shown_without_it(desk: Desk) -> None:
    told = b"\x1b[2Jbad key " + KEY.encode() + b" in /x/url-secret"
    async with Sink(answer("400 Bad", told)).running() as sink:
        desk.has(PAGER, sink.url("/x/url-secret"))
        _, out, err = await desk.sends("pagerduty", "--yes")

    assert "answered 400: [2Jbad key [redacted]" in out
    assert KEY not in out + err
    assert "url-secret" not in out + err


class _Scripted:
    """A destination that answers as it is told."""

    name, concurrency, batch_size, batch_bytes, linger, give_up_after = "it", 1, 1, 1, 0.0, 1.0

    def __init__(self, *answers: Outcome) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def deliver(self, _: object) -> AttemptOutcome:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize(
    ("answers", "asked", "took"),
    [
        ([PendingReceipt(after=5.0), PendingReceipt(after=0.0), Delivered()], 3, 6.0),
        ([TryAgain("http_500"), TryAgain("http_500", after=3.0), Delivered()], 3, 4.0),
        ([TryAgain("http_500", after=60.0)], 1, 0.0),
        ([TryAgain("http_500")], 31, PATIENCE),
        ([TryAgain("unauthorised", pauses=True)], 1, 0.0),
    ],
)
def test_what_ends_it_is_tried_again_and_not_for_ever(answers: list[Outcome], asked: int, took: float) -> None:
    scripted = _Scripted(*answers)
    destination: Destination = scripted

    async def story() -> tuple[Outcome, float]:
        outcome = await _answer(destination, Document("event-1", b"{}"), _may_pass)
        return outcome, asyncio.get_running_loop().time()

    outcome, at = virtually(story())

    assert (scripted.asked, at) == (asked, took)
    assert outcome == answers[-1]


def test_the_first_example_is_one_that_a_pager_is_told_of() -> None:
    """Or whoever tries one would learn nothing."""
    assert next(iter(EXAMPLES.values()))["data"]["decision"]["outcome"] == "rejected"
    assert str(INCIDENTS[0]["type"]).endswith(".opened.v1")
