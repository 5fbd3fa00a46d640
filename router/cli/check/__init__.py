"""`gatecrier check`: what the gate would decide about manifests or AdmissionReviews."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from router.cli.asking import trusting
from router.cli.describing import described

if TYPE_CHECKING:
    from router.cli import Subcommands
    from router.cli.check.manifests import Read
    from router.cli.check.report import Answer
    from router.settings.judging import JudgedBy

_TEXT = """\
Judges every image of every object in manifests or AdmissionReviews, and decides about each object as the gate would \
if it were created. Reads YAML (several documents, lists) and JSON, folders, and standard input (-).

Exit code 0: everything would be let in. 1: something would be rejected where it is enforced, whatever is enforced \
today (with --in-force: something would really be rejected). 2: the command line or the configuration is wrong. 3: \
something could not be told, and nothing is known to be wrong: an image could not be checked, a document could not be \
read, or there was no object at all."""
_EXAMPLES = """
gatecrier check --config gatecrier.yaml deploy/
helm template shop | gatecrier check --config gatecrier.yaml -
gatecrier check --key release.pub deployment.yaml
"""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = described(
        subcommands,
        "check",
        brief="say what the gate would decide about manifests",
        text=_TEXT,
        examples=_EXAMPLES,
        usage="gatecrier check [OPTIONS] FILE...",
    )
    parser.add_argument("file", metavar="FILE", nargs="+", help="a file, a folder, or - for standard input")
    parser.add_argument("--namespace", default="default", help="of objects that name none (default: %(default)s)")
    parser.add_argument("--in-force", action="store_true", help="go by what is enforced today, by namespace and rule")
    trusting.add(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from router.cli.asking.answering import WRONG  # noqa: PLC0415 - the verifier is imported only where it is run
    from router.cli.check import manifests  # noqa: PLC0415 - the same
    from router.errors import ConfigurationError  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")
    try:
        judged_by = trusting.judged_by(arguments)
        read = manifests.read_all(manifests.files(arguments.file), arguments.namespace)
        return asyncio.run(_checked(arguments, judged_by, read))
    except (ConfigurationError, manifests.UnusableFilesError) as error:
        print(error, file=sys.stderr)
        return WRONG


async def _checked(arguments: argparse.Namespace, judged_by: JudgedBy, read: list[Read]) -> int:
    from router.assembly.inquiry import Inquiry  # noqa: PLC0415 - as above
    from router.cli.asking.answering import Objects, in_order, worst  # noqa: PLC0415 - the same
    from router.cli.asking.terminal import Page, Progress  # noqa: PLC0415 - the same
    from router.cli.check import report  # noqa: PLC0415 - the same

    page, answers = Page(), []
    objects = Objects(page, is_array=arguments.json) if arguments.json or arguments.jsonl else None
    async with Inquiry(judged_by, arguments.timeout) as inquiry:

        async def ask(one: Read) -> Answer:
            return await report.answered(inquiry, one, in_force=arguments.in_force)

        async for _, answer in in_order(read, ask, Progress(len(read), "objects")):
            answers.append(answer)
            if objects is None:
                report.show(page, answer)
            else:
                objects.add(report.as_object(answer))
    if objects is None:
        report.sum_up(page, answers)
    else:
        objects.end()
    if not answers:
        print("there is no object in what was given", file=sys.stderr)
        return report.NOTHING
    return worst(answer.code for answer in answers)
