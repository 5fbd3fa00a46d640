"""`gatecrier verify`: what is proven about images, and why not."""

from __future__ import annotations

import argparse
import asyncio
from typing import TYPE_CHECKING

from router.cli.asking import trusting
from router.cli.exit_codes import worst
from router.cli.parsing import command

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands

_TEXT = """\
Looks for the signatures of images as the gate does, by the same rules, and shows for each image the rule, the digest, \
every piece of evidence with what it proves or why not, the signers, and the verdict.

Exit code 0: every image is verified, or let pass unseen by its rule. 1: one is not. 2: the command line \
is wrong. 3: the configuration can't be read, or one could not be checked and none is known to be wrong."""
_EXAMPLES = r"""
gatecrier verify --config gatecrier.yaml registry.example/shop/web:1.4
gatecrier verify --key release.pub registry.example/shop/web@sha256:...
gatecrier verify --issuer https://token.actions.githubusercontent.com \
    --subject-regex 'https://github\.com/shop/.+' ghcr.io/shop/web:1.4
"""


def add(subcommands: Subcommands) -> None:
    """Register the command."""
    parser = command(
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
    from router.assembly.inquiry import Inquiry  # noqa: PLC0415 - the verifier is imported only where it is run
    from router.cli.asking.inquiring import Manner, inquired  # noqa: PLC0415 - the same
    from router.cli.asking.showing import code  # noqa: PLC0415 - the same
    from router.cli.verify import report  # noqa: PLC0415 - the same
    from router.telemetry import logs  # noqa: PLC0415 - the same

    logs.configure(least="ERROR")
    manner = Manner("images", Inquiry.image, report.show, report.as_object)
    images = list(dict.fromkeys(arguments.image))
    told = asyncio.run(inquired(arguments, trusting.judged_by(arguments), images, manner))
    return worst(code(one.finding.verdict) for one in told)
