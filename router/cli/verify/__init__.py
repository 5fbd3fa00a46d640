"""`gatecrier verify`: what is proven about images, and why not."""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from router.cli.asking import trusting
from router.cli.describing import described

if TYPE_CHECKING:
    from router.cli import Subcommands
    from router.settings.judging import JudgedBy

_TEXT = """\
Looks for the signatures of images as the gate does, by the same rules, and shows for each image the rule, the digest, \
every piece of evidence with what it proves or why not, the signers, and the verdict.

Exit code 0: every image is verified, or let pass unseen by its rule. 1: one is not. 2: the command line or the \
configuration is wrong. 3: one could not be checked, and none is known to be wrong."""
_EXAMPLES = r"""
gatecrier verify --config gatecrier.yaml registry.example/shop/web:1.4
gatecrier verify --key release.pub registry.example/shop/web@sha256:...
gatecrier verify --issuer https://token.actions.githubusercontent.com \
    --subject-regex 'https://github\.com/shop/.+' ghcr.io/shop/web:1.4
"""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = described(
        subcommands,
        "verify",
        brief="say what is proven about images, and why not",
        text=_TEXT,
        examples=_EXAMPLES,
        usage="gatecrier verify [OPTIONS] IMAGE...",
    )
    parser.add_argument("image", metavar="IMAGE", nargs="+", help="an image, as a Pod would name it")
    trusting.add(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    from router.cli.asking.answering import WRONG  # noqa: PLC0415 - the verifier is imported only where it is run
    from router.errors import ConfigurationError  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")
    try:
        judged_by = trusting.judged_by(arguments)
        return asyncio.run(_verified(arguments, judged_by))
    except ConfigurationError as error:
        print(error, file=sys.stderr)
        return WRONG


async def _verified(arguments: argparse.Namespace, judged_by: JudgedBy) -> int:
    from router.assembly.inquiry import Inquiry  # noqa: PLC0415 - as above
    from router.cli.asking.answering import Objects, in_order, worst  # noqa: PLC0415 - the same
    from router.cli.asking.showing import code  # noqa: PLC0415 - the same
    from router.cli.asking.terminal import Page, Progress  # noqa: PLC0415 - the same
    from router.cli.verify import report  # noqa: PLC0415 - the same

    page, codes = Page(), []
    objects = Objects(page, is_array=arguments.json) if arguments.json or arguments.jsonl else None
    images = list(dict.fromkeys(arguments.image))
    async with Inquiry(judged_by, arguments.timeout) as inquiry:
        async for _, told in in_order(images, inquiry.image, Progress(len(images), "images")):
            codes.append(code(told.finding.verdict))
            if objects is None:
                report.show(page, told)
            else:
                objects.add(report.as_object(told))
    if objects is not None:
        objects.end()
    return worst(codes)
