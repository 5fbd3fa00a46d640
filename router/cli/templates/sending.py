"""`gatecrier templates send`: one example to a real destination, marked as a test."""

from __future__ import annotations

import argparse
import sys
from itertools import groupby
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, Object, answered, forms
from router.cli.exit_codes import NO, UNKNOWN, YES, worst
from router.cli.parsing import command, configured
from router.errors import MisusedError, TemplateError
from router.text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from router.cli.parsing import Subcommands
    from router.cli.templates.trial import Trial, TrialReply, Tried
    from router.destinations.outcome import Outcome

FEW = 2
"""Answers that are the same and shown each for itself: to what was opened, and to what ended it."""


def add(inner: Subcommands) -> None:
    """Register the command."""
    send = command(
        inner,
        "send",
        brief="deliver one example, marked TEST, to a real destination",
        text="Delivers what a template makes of an event to a real destination, by the way that alerts take, with its "
        "secrets. The event is marked TEST, has ids of its own and happens now. Shows what the receiver answers. "
        "Before somebody is called or a ticket is made it asks, and what it has opened there it ends again; as much "
        "as the destination's settings let it.\n\n"
        "Exit code 1 if the receiver refuses it, the template fails or the answer to the question is no; 3 if it may "
        "be taken later.",
        examples="gatecrier templates send slack --destination slack\n"
        "gatecrier templates send pagerduty-incident --destination pager --yes",
    )
    send.add_argument("template", metavar="NAME", help="as `templates list` calls it")
    send.add_argument("--destination", metavar="D", required=True, help="who is told")
    send.add_argument("--event", metavar="FILE|ID|EXAMPLE", help="of what (default: the first example)")
    send.add_argument("--yes", action="store_true", help="do not ask, whoever is called")
    configured(send, _send)
    forms(send, is_live=False)


def _send(arguments: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415 - imported only where it is needed

    def ask() -> CommandAnswer:
        try:
            trial = _trial(arguments)
        except TemplateError as error:
            return CommandAnswer((), "", NO, [one_line(str(error))])
        if refusal := _refusal(trial, arguments):
            return CommandAnswer((), "", NO, [f"nothing was sent: {refusal}"])
        tried = asyncio.run(trial.run())
        return CommandAnswer([_object(arguments, tried)], "\n".join(_lines(arguments.destination, tried)), _code(tried))

    return answered(arguments, ask)


def _trial(arguments: argparse.Namespace) -> Trial:
    import os  # noqa: PLC0415 - as above
    import time  # noqa: PLC0415 - as above

    from router.cli.templates.making import event_meant  # noqa: PLC0415 - as above
    from router.cli.templates.shelf import wanted  # noqa: PLC0415 - as above
    from router.cli.templates.trial import Trial  # noqa: PLC0415 - as above
    from router.events import timestamp  # noqa: PLC0415 - as above
    from router.settings.templates_part import destination_of, egress_of  # noqa: PLC0415 - as above

    config = arguments.config
    template = wanted(config, arguments.template)
    event = event_meant(arguments.event, template, config)
    settings = destination_of(config, arguments.destination, os.environ)
    return Trial(settings, egress_of(config), template, event, timestamp(time.time()))


def _refusal(trial: Trial, arguments: argparse.Namespace) -> str:
    """Why nothing may be sent; empty where it may."""
    if trial.opens and not trial.shows_the_mark:
        return (
            "nobody could know it for a test, for the document shows neither the message nor the name of workload, "
            "owner or container, where TEST would stand; add one of them to the template"
        )
    if arguments.yes or (trial.shows_the_mark and not trial.opens):
        return ""
    why = "may call somebody or make a ticket" if trial.opens else "will not see that it is a test"
    question = f"{arguments.destination} {why}. Send it? [y/N] "
    if not sys.stdin.isatty():
        raise MisusedError(f"{arguments.destination} {why}; say --yes where nobody can be asked")
    print(question, end="", file=sys.stderr, flush=True)
    return "" if sys.stdin.readline().strip().lower() in {"y", "yes"} else "that was no yes"


def _code(tried: Tried) -> int:
    return worst(_code_of(one) for one in (tried.outcome, tried.ended) if one is not None)


def _code_of(outcome: Outcome) -> int:
    from router.destinations.outcome import Delivered, PendingReceipt, TryAgain, Undeliverable  # noqa: PLC0415 - as above

    match outcome:
        case Delivered():
            return YES
        case TryAgain(pauses=True) | Undeliverable():
            return NO
        case TryAgain() | PendingReceipt():
            return UNKNOWN


def _lines(destination: str, tried: Tried) -> Iterator[str]:
    if not tried.is_sent:
        yield f"nothing was sent: {destination} does not want such an event"
        return
    yield from _heard(tried.heard)
    yield f"{destination}: {len(tried.document.body)} bytes, {_said(tried.outcome)}"
    if tried.ended is not None:
        yield f"{destination}: told that it is over, {_said(tried.ended)}"


def _heard(answers: Sequence[TrialReply]) -> Iterator[str]:
    """A line for each, and one for many that are the same: what ends it is asked for until it is taken."""
    for one, same in groupby(answers):
        count = len([*same])
        times = f", {count} times" if count > FEW else ""
        line = one_line(f"answered {one.status}{times}: {one.words}" if one.words else f"answered {one.status}{times}")
        yield from [line] * (count if count <= FEW else 1)


def _said(outcome: Outcome) -> str:
    from router.destinations.outcome import REASONS, Delivered  # noqa: PLC0415 - as above

    if isinstance(outcome, Delivered):
        return "delivered"
    meaning = f" ({REASONS[outcome.reason]})" if outcome.reason in REASONS else ""
    may_pass = "; it may be taken later" if _code_of(outcome) == UNKNOWN else ""
    return one_line(f"not delivered: {outcome.reason}{meaning}{may_pass}")


def _object(arguments: argparse.Namespace, tried: Tried) -> Object:
    return {
        "template": arguments.template,
        "destination": arguments.destination,
        "is_sent": tried.is_sent,
        "answers": [{"status": one.status, "words": one.words} for one in tried.heard],
        "outcome": tried.outcome.label,
        "reason": getattr(tried.outcome, "reason", None),
        "ended": None if tried.ended is None else tried.ended.label,
    }
