"""The studio over HTTP: the page's own files, and what it asks; nothing else is there.

Rules:
(1) Whoever asks passes the door first (`door`), and is no other user of this machine (`peers`); until then nothing of a
    body is read.
(2) Connections, heads, bodies and their time are bounded (`router.server`), and one thing at a time is made: a second
    request meanwhile is answered 429, and the page asks again when it has the first one's answer.
(3) A page that somebody writes into an event or a template is text: the policy below lets no script, style, frame or
    picture come from anywhere but our own files, and no text become one.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib import resources
from pathlib import Path
from typing import TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError

from router.cli.templates.studio.door import HOST, Door
from router.cli.templates.studio.peers import is_stranger, known_users, table
from router.cli.templates.studio.workshop import Object, RenderAsked, SaveAsked, Workshop
from router.errors import GatecrierError
from router.fields import ListenAddress
from router.server.limits import ListenerLimits
from router.server.listening import Listener
from router.server.sockets import listening_sockets
from router.text import one_line

BODY_LIMIT = 4 * 2**20
"""Bytes of a request: a template and an event, each as a text in JSON."""
LIMITS = ListenerLimits(most=32, share=1000.0, silent=600.0)
FILES = {
    "/studio.css": "text/css",
    "/studio.js": "text/javascript",
    "/looks.js": "text/javascript",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)
_OPENED = '<!doctype html><meta http-equiv="refresh" content="0;url=/"><title>Gatecrier: templates</title>'
"""Leads to the page. Not a redirection: browsers keep the cookie back from one that another site's link began."""
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
Asked = TypeVar("Asked", bound=BaseModel)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class UncountedServer:
    """Counts nothing: there are no metrics here."""

    def turned_away(self, status: int) -> None:
        """Nothing."""

    def connection_ended(self, reason: str) -> None:
        """Nothing."""

    def handshake_failed(self) -> None:
        """Nothing."""

    def client_refused(self) -> None:
        """Nothing."""


class Studio:
    """What is answered.

    Args:
        workshop: Who knows.
        door: Who may ask.
    """

    def __init__(self, workshop: Workshop, door: Door) -> None:
        self._workshop = workshop
        self._door = door
        self._page = Path(str(resources.files(__package__))) / "page"
        self._is_busy = False
        self._known = known_users(os.environ)

    def application(self) -> web.Application:
        """It, to be served."""
        made = web.Application(middlewares=[self._guarded], client_max_size=BODY_LIMIT)
        made.on_response_prepare.append(_protected)
        made.router.add_get("/", self._open)
        for path in FILES:
            made.router.add_get(path, self._file)
        made.router.add_get("/api/shelf", self._shelf)
        made.router.add_get("/api/template", self._template)
        made.router.add_get("/api/example", self._example)
        made.router.add_post("/api/render", self._render)
        made.router.add_post("/api/save", self._save)
        return made

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        is_opening = request.method == "GET" and request.path == "/" and "token" in request.query
        cookie = request.cookies.get(self._door.cookie, "")
        if refusal := self._door.refusal(request.method, request.headers, cookie, is_opening=is_opening):
            return web.Response(status=403, text=f"{refusal}\n")
        if await asyncio.to_thread(self._is_of_a_stranger, request.transport):
            return web.Response(status=403, text="another user of this machine asks; start a studio of your own\n")
        try:
            return await handler(request)
        except ValidationError as error:
            told = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()[:5])
            return _said({"error": one_line(told)}, 400)
        except GatecrierError as error:
            return _said({"error": one_line(str(error))}, 400)

    def _is_of_a_stranger(self, transport: asyncio.Transport | None) -> bool:
        peer = None if transport is None else transport.get_extra_info("peername")
        return peer is None or is_stranger(peer[1], self._door.port, table(), self._known)

    async def _open(self, request: web.Request) -> web.Response:
        if (token := request.query.get("token")) is not None:
            session = self._door.take(token)
            has_it = not self._door.refusal("GET", request.headers, request.cookies.get(self._door.cookie, ""))
            if session is None and not has_it:
                return web.Response(
                    status=403, text="this URL was opened already, or is another's; start the studio anew\n"
                )
            answer = web.Response(text=_OPENED, content_type="text/html")
            if session is not None:
                answer.set_cookie(self._door.cookie, session, httponly=True, samesite="Strict", path="/")
            return answer
        return web.Response(body=(self._page / "index.html").read_bytes(), content_type="text/html", charset="utf-8")

    async def _file(self, request: web.Request) -> web.Response:
        body = (self._page / request.path[1:]).read_bytes()
        return web.Response(body=body, content_type=FILES[request.path], charset="utf-8")

    async def _shelf(self, _: web.Request) -> web.Response:
        return await self._answer(self._workshop.shelf)

    async def _template(self, request: web.Request) -> web.Response:
        return await self._answer(lambda: self._workshop.template(request.query.get("name", "")))

    async def _example(self, request: web.Request) -> web.Response:
        return await self._answer(lambda: self._workshop.example(request.query.get("name", "")))

    async def _render(self, request: web.Request) -> web.Response:
        asked = await _asked(request, RenderAsked)
        return await self._answer(lambda: self._workshop.rendered(asked))

    async def _save(self, request: web.Request) -> web.Response:
        asked = await _asked(request, SaveAsked)
        return await self._answer(lambda: self._workshop.saved(asked))

    async def _answer(self, work: Callable[[], Object]) -> web.Response:
        """Do it beside the loop, if nothing else is being done (2)."""
        if self._is_busy:
            return _said({"error": "one thing at a time; ask again"}, 429)
        self._is_busy = True
        doing = asyncio.ensure_future(asyncio.to_thread(work))
        doing.add_done_callback(self._done)  # not when whoever asked goes away: the thread goes on
        return _said(await asyncio.shield(doing))

    def _done(self, doing: asyncio.Future[Object]) -> None:
        self._is_busy = False
        if not doing.cancelled():
            doing.exception()  # seen, should nobody have waited for it


async def _protected(_: web.Request, answer: web.StreamResponse) -> None:
    answer.headers.update(_HEADERS)


async def _asked(request: web.Request, what: type[Asked]) -> Asked:
    return what.model_validate_json(await request.read())


def _said(answer: Object, status: int = 200) -> web.Response:
    return web.json_response(answer, status=status)


@asynccontextmanager
async def running(workshop: Workshop, port: int) -> AsyncIterator[str]:
    """The studio on a port of this machine, 0 for a free one; gives the URL that opens it.

    Raises:
        ConfigurationError: The port is taken.
    """
    sockets = await listening_sockets(ListenAddress(HOST, port))
    door = Door(sockets[0].getsockname()[1])
    listener = Listener(Studio(workshop, door).application(), sockets, UncountedServer(), limits=LIMITS)
    await listener.start()
    try:
        yield door.url
    finally:
        await listener.close()
