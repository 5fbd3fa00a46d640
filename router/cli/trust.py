"""`gatecrier trust`: whom this configuration trusts, from where, since when and until when; and ask anew."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from router.cli.answering import NO, UNKNOWN, YES, asking, for_programs, forms, moment, moment_or_none
from router.cli.describing import described
from router.cli.parsing import example
from router.errors import ConfigurationError, TrustRefreshError
from router.text import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from router.cli import Subcommands
    from router.settings.trust_part import TrustPart
    from router.trust.report import RootReport
    from router.verification.anchors import Anchor
    from router.verification.repositories import Repository
    from router.verification.settings import SchemeSettings


def add(subcommands: Subcommands) -> None:
    """Register the commands."""
    parser = subcommands.add_parser(
        "trust",
        help="show whom a configuration trusts, or ask repositories anew",
        epilog=example(
            "gatecrier trust show --config gatecrier.yaml", "gatecrier trust refresh --config gatecrier.yaml"
        ),
    )
    inner = parser.add_subparsers(metavar="COMMAND", required=True)
    show = described(
        inner,
        "show",
        brief="show what is trusted, from where, since when and until when",
        text="Shows what verifiers trust: trusted roots with their authorities and logs, keys, and trust "
        "stores, each with where it comes from, since when and until when. Asks nobody. Exit code 0 if all that is "
        "needed is known and in date, 1 if not, 3 if the configuration can't be read.",
        examples="gatecrier trust show --config gatecrier.yaml",
    )
    refresh = described(
        inner,
        "refresh",
        brief="ask the repositories of trusted roots now",
        text="Asks the TUF repositories of the trusted roots that verifiers use, and keeps what they say. A "
        "running Gatecrier takes it when it reads its configuration again (SIGHUP), or when it refreshes by itself. "
        "Exit code 0 if all answered, 1 if an answer was refused, 3 if one could not be had or kept.",
        examples="gatecrier trust refresh --config gatecrier.yaml",
    )
    for command, run in ((show, _show), (refresh, _refresh)):
        asking(command, run)
        forms(command, is_live=False)


def _part(config: Path) -> TrustPart | None:
    """What the configuration says of trust; None where it can't be read, which has been told then."""
    from router.settings.part import read_part  # noqa: PLC0415 - the settings are imported only where they are read
    from router.settings.trust_part import TrustPart  # noqa: PLC0415 - the same

    try:
        return read_part(config, TrustPart)
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return None


def _folder(part: TrustPart) -> Path:
    from router.trust.refreshing import TRUST  # noqa: PLC0415 - as above

    return part.outbox.path.parent / TRUST


def _show(arguments: argparse.Namespace) -> int:
    if (part := _part(arguments.config)) is None:
        return UNKNOWN
    from router.trust.refreshing import OLD  # noqa: PLC0415 - as above
    from router.trust.report import root_reports  # noqa: PLC0415 - as above

    reports = root_reports(part.trust_roots, part.verifiers, _folder(part))
    now = time.time()
    problems = [problem for report in reports if report.used_by for problem in _problems(report, now, OLD)]
    problems += [f"{one.name}: all that it trusts has ended" for one in part.verifiers if _ended(one.anchors, now)]
    if not for_programs(arguments, [*map(_root_object, reports), *map(_verifier_object, part.verifiers)]):
        for report in reports:
            _print_root(report)
        for verifier in part.verifiers:
            _print_verifier(verifier)
    for problem in problems:
        print(problem, file=sys.stderr)
    return NO if problems else YES


def _problems(report: RootReport, now: float, old: float) -> Sequence[str]:
    if report.is_missing:
        return [f"{report.name}: nothing is known of it yet; run `gatecrier trust refresh`"]
    if report.since is not None and now - report.since >= old:
        return [f"{report.name}: nobody has confirmed it since {moment(report.since)}; run `gatecrier trust refresh`"]
    if _ended(report.holds, now):
        return [f"{report.name}: all that it holds has ended"]
    return []


def _ended(anchors: Sequence[Anchor], now: float) -> bool:
    return bool(anchors) and all(anchor.until is not None and anchor.until < now for anchor in anchors)


def _print_root(report: RootReport) -> None:
    known = "unknown" if report.id is None else f"sha256:{report.id}"
    since = "" if report.since is None else f", as of {moment(report.since)}"
    until = "" if report.until is None else f", the repository's word holds until {moment(report.until)}"
    print(f"trusted root {one_line(report.name)}: {known}")
    print(f"  from {_ORIGINS[report.origin]} ({one_line(report.address)}){since}{until}")
    print(f"  used by {', '.join(report.used_by) or 'no verifier'}")
    for anchor in report.holds:
        _print_anchor(anchor)


_ORIGINS = {
    "file": "a file",
    "shipped": "this package; its repository was not asked yet",
    "repository": "its repository",
    "nowhere": "its repository, which was not asked yet",
}


def _print_verifier(verifier: SchemeSettings) -> None:
    if verifier.anchors:
        print(f"verifier {verifier.name}:")
    for anchor in verifier.anchors:
        _print_anchor(anchor)


def _print_anchor(anchor: Anchor) -> None:
    kind = anchor.kind.replace("_", " ")
    named = f" {anchor.name}" if anchor.name else ""
    since = "" if anchor.since is None else f", since {moment(anchor.since)}"
    until = "" if anchor.until is None else f", until {moment(anchor.until)}"
    print(f"  {kind}{one_line(named)}: {one_line(anchor.who)}{since}{until}")


def _root_object(report: RootReport) -> dict[str, object]:
    return {
        "kind": "trust_root",
        "name": report.name,
        "origin": report.origin,
        "from": report.address,
        "sha256": report.id,
        "since": moment_or_none(report.since),
        "until": moment_or_none(report.until),
        "used_by": report.used_by,
        "holds": [_anchor_object(anchor) for anchor in report.holds],
    }


def _verifier_object(verifier: SchemeSettings) -> dict[str, object]:
    root = verifier.root_source
    return {
        "kind": "verifier",
        "name": verifier.name,
        "trust_root": None if root is None else root.written,
        "holds": [_anchor_object(anchor) for anchor in verifier.anchors],
    }


def _anchor_object(anchor: Anchor) -> dict[str, object]:
    return {
        "kind": anchor.kind,
        "name": anchor.name,
        "who": anchor.who,
        "since": moment_or_none(anchor.since),
        "until": moment_or_none(anchor.until),
    }


def _refresh(arguments: argparse.Namespace) -> int:
    if (part := _part(arguments.config)) is None:
        return UNKNOWN
    from router.verification.settings import repositories_of  # noqa: PLC0415 - as above

    named = [root.source.repository for root in part.trust_roots]
    wanted = {one.id: one for one in (*named, *repositories_of(part.verifiers)) if one is not None}
    found = asyncio.run(_refreshed(list(wanted.values()), _folder(part)))
    if not for_programs(arguments, [_outcome_object(repository, outcome) for repository, outcome in found]):
        for repository, outcome in found:
            _print_outcome(repository, outcome)
        if not found:
            print("no trusted root comes from a repository")
    causes = {outcome.cause for _, outcome in found if isinstance(outcome, TrustRefreshError)}
    return NO if "refused" in causes else UNKNOWN if causes else YES


Outcome = float | TrustRefreshError
"""When it was confirmed, in Unix time, or why it was not."""


async def _refreshed(repositories: Sequence[Repository], folder: Path) -> Sequence[tuple[Repository, Outcome]]:
    from router.trust.refreshing import Repositories  # noqa: PLC0415 - as above

    source = Repositories(folder)
    found: list[tuple[Repository, Outcome]] = []
    for repository in repositories:
        try:
            found.append((repository, (await source.refreshed(repository)).confirmed_at))
        except TrustRefreshError as error:
            found.append((repository, error))
    return found


def _print_outcome(repository: Repository, outcome: Outcome) -> None:
    if isinstance(outcome, TrustRefreshError):
        print(f"{repository.name}: {outcome.cause}: {one_line(str(outcome))}", file=sys.stderr)
    else:
        print(f"{repository.name}: confirmed by {repository.url}")


def _outcome_object(repository: Repository, outcome: Outcome) -> dict[str, object]:
    failed = isinstance(outcome, TrustRefreshError)
    return {
        "name": repository.name,
        "from": repository.url,
        "confirmed_at": None if isinstance(outcome, TrustRefreshError) else moment(outcome),
        "cause": outcome.cause if isinstance(outcome, TrustRefreshError) else None,
        "problem": str(outcome) if failed else None,
    }
