"""One aiohttp application on one address, started and ended in order.

Kept connections stay open longer than the API server's own 90 s: if we closed one under a request, the user would
get a 500 and there is no second attempt.
"""

from __future__ import annotations

import ssl

from aiohttp import web

from router.errors import ConfigurationError
from router.fields import ListenAddress

KEEP_OPEN = 150.0
"""Seconds that an idle connection is kept: more than the API server's 90 s."""
BACKLOG = 1024
FINISH = 12.0
"""Seconds that requests in hand get to end when the listener closes; none takes longer than its deadline."""


class Listener:
    """Serves an application until it is closed."""

    def __init__(self, application: web.Application, address: ListenAddress, context: ssl.SSLContext | None) -> None:
        self._runner = web.AppRunner(
            application, access_log=None, keepalive_timeout=KEEP_OPEN, handle_signals=False, shutdown_timeout=FINISH
        )
        self._address = address
        self._context = context

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: The address is taken or is none of this machine's.
        """
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self._address.host or None, self._address.port, ssl_context=self._context, backlog=BACKLOG
        )
        try:
            await site.start()
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigurationError(f"can't listen on {self._address}: {error.strerror or error}") from error

    async def close(self) -> None:
        """Take no new connections, let requests end, then close."""
        await self._runner.cleanup()
