"""`gatecrier scan`: what runs now, by the digests that run, and what of it would be refused."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from router.cli.answering import CommandAnswer, answered, forms
from router.cli.exit_codes import UNKNOWN, worst
from router.cli.parsing import command, configured
from router.errors import ConfigurationError
from router.text import SHOWN, cut, one_line

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands
    from router.kubernetes.access import Access
    from router.scanning.scan import Scanned
    from router.settings.scan_part import ScanPart

SECONDS = 30.0
"""For each image."""
_TEXT = """\
Asks the cluster's API which Pods run, and judges each image that runs, by its digest, as the gate would judge it if \
it came now. An image is verified once, however many Pods run it. What is found is kept for `gatecrier readiness`, and \
told where a route says `about: [scan]`: at any replica, for the collector keeps it (incidents.collector). Nothing is \
kept with --no-record, or on a machine that is no replica.

Exit code 0: all that runs would be let in. 1: something would be refused. 3: nothing is known to be wrong, and of \
something it could not be told, or the cluster's API could not be asked, or not all that was found could be kept, or \
nothing runs in a namespace that --namespace names."""
_EXAMPLES = """
gatecrier scan
gatecrier scan --namespace payments --json
gatecrier scan --config stricter.yaml --no-record
"""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
        subcommands,
        "scan",
        brief="judge what runs in the cluster now",
        text=_TEXT,
        examples=_EXAMPLES,
    )
    parser.add_argument("--namespace", metavar="N", action="append", help="only this one; may be repeated")
    parser.add_argument("--no-record", action="store_true", help="keep and tell nothing of it")
    configured(parser, _run)
    forms(parser, is_live=False)


def _run(arguments: argparse.Namespace) -> int:
    from router.cli.scan import keeping, report  # noqa: PLC0415 - the verifier is imported only where it is run
    from router.settings import scan_part  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")
    part = scan_part.scan_part_of(arguments.config)
    if part.kubernetes is None:
        raise ConfigurationError(
            f"{arguments.config}: there is no `kubernetes`, so that nobody can be asked what runs; write "
            "`kubernetes: {api: in-cluster}`, or `{api: {kubeconfig: FILE}}`. Without it: "
            "kubectl get pods -A -o yaml | gatecrier check -"
        )

    found = asyncio.run(_scanned(arguments, part, part.kubernetes.access(os.environ)))
    objects = [report.as_object(one) for one in found.found]
    answer = CommandAnswer(objects, "\n".join(report.lines_of(found)), report.code_of(found))
    code = answered(arguments, lambda: answer)
    if absent := [one for one in arguments.namespace or () if one not in found.by_namespace]:
        for one in absent:
            print(f"nothing runs in {one_line(cut(one, SHOWN))}, or there is no such namespace", file=sys.stderr)
        code = worst((code, UNKNOWN))
    return code if arguments.no_record else worst((code, keeping.kept(found, arguments.namespace, part)))


async def _scanned(arguments: argparse.Namespace, part: ScanPart, access: Access) -> Scanned:
    from router.assembly.inquiry import Inquiry  # noqa: PLC0415 - as above
    from router.cli.asking.inquiring import in_order  # noqa: PLC0415 - the same
    from router.cli.pages import Progress  # noqa: PLC0415 - the same
    from router.kubernetes.client import Cluster  # noqa: PLC0415 - the same
    from router.scanning import scan  # noqa: PLC0415 - the same
    from router.scanning.recording import meant_by  # noqa: PLC0415 - the same
    from router.settings import judging  # noqa: PLC0415 - the same

    judged_by = judging.load(arguments.config, os.environ)
    began_at = time.time()
    async with Cluster(access) as cluster:
        counted = await scan.census(cluster, arguments.namespace)
    if arguments.namespace is None:
        counted.keep(meant_by(part.scan.namespaces))
    questions = len({(one.image, one.digest) for one in counted.running})
    progress = Progress(questions, "images")
    async with Inquiry(judged_by, SECONDS) as inquiry:
        found = await scan.scanned(counted, inquiry.running.judge, partial(in_order, progress=progress), began_at)
    progress.clear()
    return found
