"""`gatecrier check`: what the gate would decide about manifests or AdmissionReviews."""

from __future__ import annotations

import argparse
import asyncio
import sys
from functools import partial
from typing import TYPE_CHECKING

from router.cli.asking import trusting
from router.cli.exit_codes import worst
from router.cli.pages import Page
from router.cli.parsing import command

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands

_TEXT = """\
Judges every image of every object in manifests or AdmissionReviews, and decides about each object as the gate would \
if it were created. Reads YAML (several documents, lists) and JSON, folders, and standard input (-).

Exit code 0: everything would be let in. 1: something would be rejected where it is enforced, whatever is enforced \
today (with --in-force: something would really be rejected). 2: the command line is wrong, or names a file \
that there is not. 3: the configuration can't be read, or something could not be told and nothing is known to be \
wrong: an image could not be checked, a document or a folder could not be read, or there was no object at all."""
_EXAMPLES = """
gatecrier check --config gatecrier.yaml deploy/
helm template shop | gatecrier check --config gatecrier.yaml -
gatecrier check --key release.pub deployment.yaml
"""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
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
    from router.cli.asking.inquiring import Manner, inquired  # noqa: PLC0415 - the verifier is imported only where it is run
    from router.cli.check import manifests, report  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")
    judged_by = trusting.judged_by(arguments)
    read = manifests.read_all(manifests.files(arguments.file), arguments.namespace)
    manner = Manner("objects", partial(report.answered, in_force=arguments.in_force), report.show, report.as_object)
    answers = asyncio.run(inquired(arguments, judged_by, read, manner))
    if not (arguments.json or arguments.jsonl):
        report.sum_up(Page(), answers)
    if not answers:
        print("there is no object in what was given", file=sys.stderr)
        return report.NOTHING
    return worst(answer.code for answer in answers)
