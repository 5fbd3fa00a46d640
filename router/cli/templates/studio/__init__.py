"""`gatecrier templates studio`: a page on this machine where templates are written, and seen as they are written."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from router.cli.exit_codes import YES
from router.cli.pages import Page
from router.cli.parsing import command, configured
from router.text import shown

if TYPE_CHECKING:
    from router.cli.parsing import Subcommands

_HIGHEST_PORT = 65535


def add(inner: Subcommands) -> None:
    """Register the command."""
    studio = command(
        inner,
        "studio",
        brief="write templates in a browser, and see what they make as you type",
        text="Opens a page on this machine: the template, the event, and what the template makes of it, as its "
        "service would show it, roughly. What fails is told at its line while you type. Templates are saved into the "
        "configuration's folder, and nowhere else. The URL on standard output holds a password; it opens one browser, "
        "and the page ends with this command.",
        examples="gatecrier templates studio --config gatecrier.yaml\n"
        "gatecrier templates studio --port 8900 --no-browser",
    )
    studio.add_argument("--port", type=_port, default=0, help="where it listens on 127.0.0.1 (default: a free one)")
    studio.add_argument("--no-browser", action="store_true", help="print the URL, and open no browser")
    configured(studio, _studio)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= _HIGHEST_PORT):
        raise argparse.ArgumentTypeError(f"{shown(text, 100)} is no port; write 0 to {_HIGHEST_PORT}")
    return int(text)


def _studio(arguments: argparse.Namespace) -> int:
    import asyncio  # noqa: PLC0415 - imported only where it is needed

    asyncio.run(_serve(arguments))
    return YES


async def _serve(arguments: argparse.Namespace) -> None:
    import asyncio  # noqa: PLC0415 - as above
    import signal  # noqa: PLC0415 - as above
    import webbrowser  # noqa: PLC0415 - as above

    from router.cli.templates.studio.serving import running  # noqa: PLC0415 - as above
    from router.cli.templates.studio.workshop import Workshop  # noqa: PLC0415 - as above

    end = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end.set)
    workshop = Workshop(arguments.config)
    workshop.shelf()  # what can't be read is told here, not in a browser
    async with running(workshop, arguments.port) as url:
        Page().raw(url)
        if not arguments.no_browser:
            await asyncio.to_thread(webbrowser.open, url)
        await end.wait()
