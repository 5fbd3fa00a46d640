"""`gatecrier readiness`: whether a namespace can be enforced now, and what would break."""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli import events
from router.cli.answering import CommandAnswer, answered, forms
from router.cli.exit_codes import UNKNOWN, worst
from router.cli.parsing import command, configured, duration
from router.errors import MisusedError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from router.cli.parsing import Subcommands
    from router.cli.readiness.report import Report
    from router.settings.readiness_part import ReadinessPart

_TEXT = """\
Tells of each namespace that was seen, or of one, whether it can be enforced now: what would be refused, by owner, \
with the next step for each, and what is not known. It is judged by what was seen while it was watched.

With --what-if, what was seen is judged again by the policy, verifiers and registries of another configuration, by the \
digests that were seen: what would break by it.

Exit code 0: ready, all of them. 1: something would be refused. 3: nothing is known to be wrong, and too little is \
known."""
_EXAMPLES = """
gatecrier readiness
gatecrier readiness payments --json
gatecrier readiness payments --what-if stricter.yaml
gatecrier readiness --markdown --since 7d > readiness.md
"""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
        subcommands,
        "readiness",
        brief="say whether namespaces can be enforced, and what would break",
        text=_TEXT,
        examples=_EXAMPLES,
    )
    parser.add_argument("namespace", metavar="NAMESPACE", nargs="?", help="only this one")
    parser.add_argument(
        "--since", metavar="DURATION", type=duration, help="judge by the last 7d, 24h ... (default: readiness.window)"
    )
    parser.add_argument("--what-if", metavar="CONFIG", type=Path, help="judge what was seen by this configuration")
    parser.add_argument(
        "--policy-report", action="store_true", help="PolicyReports and OpenReports' Reports as YAML, for their tools"
    )
    parser.add_argument("--markdown", action="store_true", help="a report in Markdown, for people")
    configured(parser, _run, of_collector=True)
    forms(parser)


def _run(arguments: argparse.Namespace) -> int:
    from router.cli.readiness import report  # noqa: PLC0415 - imported only where it is needed
    from router.settings.readiness_part import readiness_of  # noqa: PLC0415 - the same

    wanted = [name for name in ("markdown", "policy_report", "json", "jsonl") if getattr(arguments, name)]
    if arguments.watch and (arguments.what_if is not None or arguments.policy_report):
        raise MisusedError("--watch asks our own files only, again and again: not with --what-if or --policy-report")
    if len(wanted) > 1:
        raise MisusedError(f"--{' and --'.join(wanted).replace('_', '-')} exclude each other: ask for one form")
    part = readiness_of(arguments.config)
    if arguments.since is not None:
        part = part.model_copy(update={"readiness": part.readiness.model_copy(update={"window": arguments.since})})

    def ask() -> CommandAnswer:
        found = asyncio.run(_found(arguments, part))
        codes = [report.code_of(one) for one in found] or [UNKNOWN]
        return CommandAnswer([report.as_object(one) for one in found], _text(arguments, found), worst(codes))

    return answered(arguments, ask)


async def _found(arguments: argparse.Namespace, part: ReadinessPart) -> Sequence[Report]:
    if arguments.what_if is None:
        async with events.opened(arguments.config) as records:
            return await records.read(partial(_reports, part=part, namespace=arguments.namespace))
    from router.cli.readiness import supposing  # noqa: PLC0415 - the verifier is imported only where it is run
    from router.settings import judging  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")
    judged_by = judging.load(arguments.what_if, os.environ)
    query = partial(supposing.last_seen, settings=part.readiness, namespace=arguments.namespace, now=time.time())
    async with events.opened(arguments.config) as records:
        seen = await records.read(query)
    return await supposing.supposed(seen, part.readiness, judged_by)


def _reports(connection: sqlite3.Connection, part: ReadinessPart, namespace: str | None) -> Sequence[Report]:
    from router.cli.readiness.report import LISTED, Report  # noqa: PLC0415 - as above
    from router.outbox import grants  # noqa: PLC0415 - the same
    from router.readiness import reading  # noqa: PLC0415 - the same

    settings, now = part.readiness, time.time()
    found = reading.overviews(connection, settings, now, namespace)
    since, ends = now - settings.window, {one.pattern: one.until for one in part.exemptions}
    return [
        Report(
            one,
            settings,
            reading.images(connection, one.namespace, one.counts_from, LISTED, is_open=True),
            reading.exempted(connection, one.namespace, since, LISTED),
            ends,
            grants.in_force(connection, one.namespace, now),
        )
        for one in found
    ]


def _text(arguments: argparse.Namespace, reports: Sequence[Report]) -> str:
    from router.cli.readiness.markdown import markdown  # noqa: PLC0415 - as above
    from router.cli.readiness.policy_reports import policy_reports  # noqa: PLC0415 - the same
    from router.cli.readiness.report import text_of  # noqa: PLC0415 - the same

    if arguments.policy_report:
        return policy_reports(reports, time.time())
    return markdown(reports) if arguments.markdown else text_of(reports, is_one=arguments.namespace is not None)
