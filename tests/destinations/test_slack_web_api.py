"""Slack's Web API: where messages about an incident go, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from router.destinations.catalogue import DestinationSettings, open_destination
from router.destinations.dialect import Reply
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kinds.slack import SlackSettings
from router.destinations.kinds.slack.web_api import answered
from router.destinations.outcome import Delivered, Outcome, TryAgain, Undeliverable
from router.fields import ReadingContext
from router.outbox.settlement import RECEIPT_LIMIT
from tests.simulators.sinks import HANG, NOTHING, answer
from tests.simulators.slack import TOKEN, Slack

LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
ENVIRONMENT = {"TOKEN": TOKEN, "URL": "https://hooks.slack.com/services/T/B/secret", "BLANK": "xoxb 1"}
OPENED, CHANGED, RESOLVED = (f"dev.gatecrier.incident.{state}.v1" for state in ("opened", "changed", "resolved"))


def opened(slack: Slack, **more: object) -> Destination:
    written = {
        "name": "it",
        "kind": "slack",
        "token": {"env": "TOKEN"},
        "channel": "#soc",
        "api": slack.api,
        "plain_http": True,
        **more,
    }
    return open_destination(read(**written), LOOPBACK)


def read(**written: object) -> DestinationSettings:
    reading = ReadingContext(Path("/nowhere"), ENVIRONMENT, lambda path, _: path.read_bytes())
    adapter: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
    return adapter.validate_python({"name": "it", "kind": "slack", **written}, context={"reading": reading})


def message(text: str, receipt: str = "", of: str = OPENED, *, is_late: bool = False) -> Document:
    body = {"text": text, "attachments": [{"color": "#e01e5a", "blocks": []}]}
    return Document(text, json.dumps(body).encode(), type=of, receipt=receipt, is_late=is_late)


async def told(destination: Destination, document: Document) -> str:
    """Tell it, which it takes; returns its receipt."""
    outcome = await destination.deliver([document])

    assert isinstance(outcome, Delivered), outcome
    return outcome.receipt


def methods(slack: Slack) -> list[str]:
    return [method.removeprefix("chat.") for method, _ in slack.calls]


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({}, "exactly one of `url`"),
        ({"url": {"env": "URL"}, "token": {"env": "TOKEN"}, "channel": "#soc"}, "exactly one of `url`"),
        ({"token": {"env": "TOKEN"}}, "needs a `channel`"),
        ({"token": {"env": "TOKEN"}, "channel": None}, "needs a `channel`"),
        ({"token": {"env": "TOKEN"}, "channel": ""}, "channel"),
        ({"token": {"env": "TOKEN"}, "channel": "two words"}, "channel"),
        ({"token": {"env": "TOKEN"}, "channel": "C" * 100}, "channel"),
        ({"token": {"env": "BLANK"}, "channel": "#soc"}, "the token has blanks"),
        ({"token": {"env": "TOKEN"}, "channel": "#soc", "updates": "always"}, "'thread', 'edit' or 'post'"),
        ({"token": {"env": "TOKEN"}, "channel": "#soc", "api": "http://slack.example/api"}, "the url is http"),
        ({"token": {"env": "TOKEN"}, "channel": "#soc", "api": "https://a@slack.example/api"}, "no user"),
        ({"token": "xoxb-1", "channel": "#soc"}, "never a literal"),
        ({"url": {"env": "URL"}, "channel": "#soc"}, "`channel` goes with `token`"),
        ({"url": {"env": "URL"}, "updates": "post"}, "`updates` goes with `token`"),
        ({"url": {"env": "URL"}, "api": "https://slack.example"}, "`api` goes with `token`"),
    ],
)
def test_there_is_one_way_to_tell_slack(written: Mapping[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as raised:
        read(**written)

    assert words in str(raised.value)
    assert not [one for one in ENVIRONMENT.values() if one in str(raised.value)]


async def test_in_a_thread_the_first_message_shows_how_things_are() -> None:
    """And whoever was not there reads below it what has happened; news are seen in the channel, too."""
    async with Slack().running() as slack:
        destination = opened(slack)
        receipt = await told(destination, message("opened"))
        kept = [await told(destination, message(text, receipt, of)) for text, of in
                (("changed", CHANGED), ("resolved", RESOLVED))]  # fmt: skip
        await destination.close()
    (head,) = slack.heads

    assert kept == [receipt] * 2
    assert (head.body["text"], head.edits) == ("resolved", 2)
    assert [(one.body["text"], one.is_broadcast) for one in slack.thread(head)] == [
        ("changed", True), ("resolved", False),
    ]  # fmt: skip


async def test_edited_there_is_one_message() -> None:
    async with Slack().running() as slack:
        destination = opened(slack, updates="edit")
        receipt = await told(destination, message("opened"))
        again = await told(destination, message("changed", receipt, CHANGED))
        await destination.close()
    (one,) = slack.messages

    assert again == receipt
    assert (one.body["text"], one.edits) == ("changed", 1)


async def test_posted_each_message_stands_for_itself() -> None:
    async with Slack().running() as slack:
        destination = opened(slack, updates="post")
        receipt = await told(destination, message("opened"))
        await told(destination, message("changed", receipt, CHANGED))
        await destination.close()

    assert [(one.body["text"], one.thread, one.edits) for one in slack.messages] == [
        ("opened", None, 0), ("changed", None, 0),
    ]  # fmt: skip


@pytest.mark.parametrize("updates", ["thread", "edit"])
async def test_what_a_message_no_longer_has_does_not_stay(updates: str) -> None:
    """Slack keeps the blocks and attachments that a change leaves out; links and mentions are made of nothing."""
    async with Slack().running() as slack:
        destination = opened(slack, updates=updates)
        receipt = await told(destination, message("opened"))
        await told(destination, Document("2", b'{"text":"minimal"}', receipt=receipt))
        await destination.close()
    (head,) = slack.heads

    assert (head.body["blocks"], head.body["attachments"]) == ([], [])
    assert [asked["parse"] for _, asked in slack.calls] == ["none"] * len(slack.calls)


@pytest.mark.parametrize("updates", ["thread", "edit"])
async def test_a_first_message_that_was_deleted_is_posted_anew(updates: str) -> None:
    """And what follows refers to the new one."""
    async with Slack().running() as slack:
        destination = opened(slack, updates=updates)
        first = await told(destination, message("opened"))
        slack.delete(slack.messages[0])
        second = await told(destination, message("changed", first, CHANGED))
        third = await told(destination, message("resolved", second, RESOLVED))
        await destination.close()
    (head,) = slack.heads

    assert first != second == third
    assert (head.body["text"], head.edits) == ("resolved", 1)


@pytest.mark.parametrize("error", ["thread_not_found", "message_not_found", "cannot_reply_to_message"])
async def test_a_first_message_that_goes_meanwhile_is_posted_anew(error: str) -> None:
    async with Slack().running() as slack:
        destination = opened(slack)
        first = await told(destination, message("opened"))
        slack.errors.extend(["", error])
        second = await told(destination, message("changed", first, CHANGED))
        await destination.close()

    assert methods(slack) == ["postMessage", "update", "postMessage", "postMessage"]
    assert first != second


@pytest.mark.parametrize("error", ["edit_window_closed", "cant_update_message", "update_failed", "who_knows"])
@pytest.mark.parametrize("updates", ["thread", "edit"])
async def test_where_the_first_message_can_not_be_changed_its_thread_is_told(updates: str, error: str) -> None:
    async with Slack().running() as slack:
        destination = opened(slack, updates=updates)
        receipt = await told(destination, message("opened"))
        slack.errors.append(error)
        again = await told(destination, message("changed", receipt, CHANGED))
        await destination.close()
    (head,) = slack.heads

    assert again == receipt
    assert head.body["text"] == "opened"
    assert [one.body["text"] for one in slack.thread(head)] == ["changed"]


@pytest.mark.parametrize("updates", ["thread", "edit"])
async def test_what_comes_late_changes_nothing_that_is_shown(updates: str) -> None:
    """A replay of what was set aside is history: the channel has seen what came after it."""
    async with Slack().running() as slack:
        destination = opened(slack, updates=updates)
        receipt = await told(destination, message("resolved", of=RESOLVED))
        again = await told(destination, message("changed", receipt, CHANGED, is_late=True))
        await destination.close()
    (head,) = slack.heads

    assert again == receipt
    assert (head.body["text"], head.edits) == ("resolved", 0)
    assert [(one.body["text"], one.is_broadcast) for one in slack.thread(head)] == [("changed", False)]


@pytest.mark.parametrize(
    "receipt", ["C0OTHER C024BE91L 1790000000.000001", "#soc C024BE91L", "#soc c1 x", "\ud800", " "]
)
async def test_a_receipt_of_another_channel_or_of_none_is_not_used(receipt: str) -> None:
    """The channel of the configuration counts, also where it was changed while an incident was open."""
    async with Slack().running() as slack:
        destination = opened(slack)
        await told(destination, message("changed", receipt, CHANGED))
        await destination.close()

    assert methods(slack) == ["postMessage"]


async def test_an_attempt_that_breaks_off_between_its_requests_repeats_no_message() -> None:
    async with Slack().running() as slack:
        destination = opened(slack)
        receipt = await told(destination, message("opened"))
        slack.errors.extend(["", NOTHING])
        broken = await destination.deliver([message("changed", receipt, CHANGED)])
        await told(destination, message("changed", receipt, CHANGED))
        await destination.close()
    (head,) = slack.heads

    assert broken == TryAgain("connection_failed")
    assert [one.body["text"] for one in slack.thread(head)] == ["changed"]


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        ("ratelimited", TryAgain("rate_limited", after=30.0)),
        ("rate_limited", TryAgain("rate_limited", after=30.0)),
        ("internal_error", TryAgain("receiver_failed", after=30.0)),
        ("fatal_error", TryAgain("receiver_failed", after=30.0)),
        ("service_unavailable", TryAgain("receiver_failed", after=30.0)),
        ("invalid_auth", TryAgain("unauthorised", pauses=True)),
        ("token_revoked", TryAgain("unauthorised", pauses=True)),
        ("account_inactive", TryAgain("unauthorised", pauses=True)),
        ("missing_scope", TryAgain("unauthorised", pauses=True)),
        ("not_in_channel", TryAgain("refused_here", pauses=True)),
        ("channel_not_found", TryAgain("refused_here", pauses=True)),
        ("is_archived", TryAgain("refused_here", pauses=True)),
        ("msg_too_long", Undeliverable("message_refused")),
        ("invalid_blocks", Undeliverable("message_refused")),
        ("what_nobody_knows", Undeliverable("message_refused")),
    ],
)
def test_an_error_means_what_slack_says(error: str, outcome: Outcome) -> None:
    said = json.dumps({"ok": False, "error": error})

    assert answered(Reply(200, said, "30", 0.0)).outcome == outcome


@pytest.mark.parametrize(
    ("status", "body", "outcome"),
    [
        (200, '{"ok":true,"channel":"C1","ts":"1.2"}', Delivered()),
        (200, '{"ok":true}', Delivered()),
        (200, '{"ok":true,"channel":7,"ts":"<!here>"}', Delivered()),
        (200, '{"ok":"true"}', TryAgain("malformed_reply")),
        (200, '{"ok":false}', TryAgain("malformed_reply")),
        (200, "ok", TryAgain("malformed_reply")),
        (200, "<html>", TryAgain("malformed_reply")),
        (200, "", TryAgain("malformed_reply")),
        (200, "[]", TryAgain("malformed_reply")),
        (200, '{"ok":true', TryAgain("malformed_reply")),
        (202, '{"ok":true}', TryAgain("malformed_reply")),
        (429, '{"ok":false,"error":"ratelimited"}', TryAgain("rate_limited", after=30.0)),
        (503, "", TryAgain("http_503", after=30.0)),
        (401, "", TryAgain("unauthorised", pauses=True)),
        (400, "", Undeliverable("http_400")),
    ],
)
def test_success_is_said_in_the_body(status: int, body: str, outcome: Outcome) -> None:
    """Slack answers 200 to almost everything; a proxy that answers for it says something else."""
    assert answered(Reply(status, body, "30", 0.0)).outcome == outcome


ANSWERS = st.text() | st.recursive(
    st.none()
    | st.booleans()
    | st.text(max_size=5)
    | st.sampled_from(["ok", "error", "channel_not_found", "1.2", "C1"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["ok", "error", "channel", "ts", "message"]), inner, max_size=4)
    ),
    max_leaves=8,
).map(json.dumps)


@given(st.integers(100, 599), ANSWERS)
def test_whatever_is_answered_is_understood(status: int, body: str) -> None:
    """And no receipt is longer than what is kept of one, nor has anything in it that Slack does not give."""
    answer = answered(Reply(status, body, None, 0.0))

    assert isinstance(answer.outcome, Delivered | TryAgain | Undeliverable)
    assert not isinstance(answer.outcome, Delivered) or (status == 200 and json.loads(body)["ok"] is True)
    assert answer.head is None or len(" ".join(("c" * 80, *answer.head))) <= RECEIPT_LIMIT


def test_without_the_secrets_the_rest_is_checked() -> None:
    """For a pipeline that has no token."""
    settings = SlackSettings.model_validate(
        {"name": "it", "kind": "slack", "token": {"env": "TOKEN"}, "channel": "#soc"}
    )

    assert settings.endpoint == "https://slack.com/api"


@pytest.mark.parametrize("error", ["msg_too_long", "invalid_blocks", "what_nobody_knows"])
@pytest.mark.parametrize("follows", [False, True])
async def test_a_message_that_is_refused_goes_out_in_a_plainer_form(error: str, *, follows: bool) -> None:
    """An alert that Slack refuses for its form must not be lost for it."""
    async with Slack().running() as slack:
        destination = opened(slack)
        receipt = await told(destination, message("opened")) if follows else ""
        slack.errors.extend([error] * 2 if error != "what_nobody_knows" else [error] * 2 * (1 + follows))
        long = {"text": "long " * 7000, "blocks": []}
        minimal = Document("1", b'{"text":"minimal"}', is_fallback=True)
        document = Document("1", json.dumps(long).encode(), type=CHANGED, receipt=receipt, minimal=lambda: minimal)
        await told(destination, document)
        await destination.close()

    assert slack.messages[-1].body["text"] == "minimal"
    assert len(slack.heads) == 1, "its fallback is in the thread, too"


async def test_what_is_refused_in_every_form_is_set_aside() -> None:
    async with Slack().running() as slack:
        destination = opened(slack)
        slack.errors.extend(["invalid_blocks"] * 3)
        outcome = await destination.deliver([message("opened")])
        await destination.close()

    assert outcome == Undeliverable("message_refused", words='{"ok": false, "error": "invalid_blocks"}')


@pytest.mark.parametrize(
    ("says", "reason"),
    [(answer("200 OK", b"<html>"), "malformed_reply"), (answer("429 No", Retry_After="7"), "rate_limited"),
     (HANG, "timeout")],
)  # fmt: skip
async def test_whatever_step_fails_is_tried_again(says: bytes | None, reason: str) -> None:
    async with Slack().running() as slack:
        destination = opened(slack, timeout="200ms")
        receipt = await told(destination, message("opened"))
        slack.errors.append(says)
        first = await destination.deliver([message("changed", receipt, CHANGED)])
        slack.errors.extend(["", says])
        second = await destination.deliver([message("changed", receipt, CHANGED)])
        await destination.close()

    assert isinstance(first, TryAgain)
    assert isinstance(second, TryAgain)
    assert first.reason == second.reason == reason


async def test_the_token_is_shown_nowhere(capsys: pytest.CaptureFixture[str]) -> None:
    async with Slack().running() as slack:
        destination = opened(slack)
        slack.errors.append(answer("403 No", f"who is {TOKEN}?".encode()))
        outcome = await destination.deliver([message("opened")])
        await destination.close()

    assert outcome == TryAgain("unauthorised", pauses=True, words="who is [redacted]?")
    assert TOKEN not in repr(destination) + "".join(capsys.readouterr())
    assert TOKEN not in str(read(token={"env": "TOKEN"}, channel="#soc"))


async def test_a_private_address_needs_to_be_allowed() -> None:
    async with Slack().running() as slack:
        settings = read(token={"env": "TOKEN"}, channel="#soc", api=slack.api, plain_http=True)
        destination = open_destination(settings, EgressSettings())
        outcome = await destination.deliver([message("opened")])
        await destination.close()

    assert outcome == TryAgain("forbidden_address")
    assert slack.calls == []
