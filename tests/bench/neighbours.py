"""The bare counterparts and neighbours of the gate's figures, each a process of its own.

python -m tests.bench.neighbours gate PORT CERTIFICATE KEY      parses the review and answers it
python -m tests.bench.neighbours relay PORT CERTIFICATE KEY URL the same, after posting the review to URL
python -m tests.bench.neighbours sink PORT                      answers 200; GET tells how often it did
python -m tests.bench.neighbours registry PORT FOLDER [SECONDS] serves images, each answer after so many seconds;
                                                                writes the public key to FOLDER
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from router.cli.demo.images import DemoSigner, Images, digest_of
from router.cli.demo.world import registry_application
from tests.verification.world import DATA

IMAGES = 150
FAR = 16
"""Images of each form of signature, each in a repository of its own."""
BY_IDENTITY = "bundle-referrers-email"
"""What the real tools have made, in `tests/data/keyless`: a bundle with an entry of Rekor v2 and a timestamp."""


def gate(relay_to: str | None) -> web.Application:
    """The least that answers an admission review."""
    session_key = web.AppKey("session", aiohttp.ClientSession)

    async def answer(request: web.Request) -> web.Response:
        body = await request.read()
        review = orjson.loads(body)
        if relay_to is not None:
            headers = {"Content-Type": "application/json"}
            async with request.app[session_key].post(relay_to, data=body, headers=headers) as reply:
                await reply.read()
        response = {"uid": review["request"]["uid"], "allowed": True}
        told = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}
        return web.Response(body=orjson.dumps(told), content_type="application/json")

    async def with_session(application: web.Application) -> AsyncIterator[None]:
        async with aiohttp.ClientSession() as session:
            application[session_key] = session
            yield

    application = web.Application()
    application.router.add_post("/validate", answer)
    application.cleanup_ctx.append(with_session)
    return application


def sink() -> web.Application:
    """Answers every POST with 200, and GET with their number."""
    taken = [0]

    async def take(request: web.Request) -> web.Response:
        await request.read()
        taken[0] += 1
        return web.Response(text="ok")

    async def count(_: web.Request) -> web.Response:
        return web.Response(text=str(taken[0]))

    application = web.Application()
    application.router.add_post("/", take)
    application.router.add_get("/", count)
    return application


def registry(folder: Path, away: float) -> web.Application:
    """Images `shop/web:v0` to `v149`, each signed in the legacy format; `far/legacy0:v1` ..., `far/bundle0:v1` ...

    `far/identity0:v1` ... are one image that the real tools have signed by an identity, in as many repositories.
    """
    images, signer = Images(), DemoSigner("release")
    for number in range(IMAGES):
        images.sign_legacy("shop/web", images.push("shop/web", f"v{number}"), signer)
    for number in range(FAR):
        legacy, bundle = f"far/legacy{number}", f"far/bundle{number}"
        images.sign_legacy(legacy, images.push(legacy, "v1"), signer)
        images.sign_bundle(bundle, images.push(bundle, "v1"), signer)
        _push_recorded(images, f"far/identity{number}")
    (folder / "release.pub").write_text(signer.public_pem)
    application = registry_application(images)

    @web.middleware
    async def far(request: web.Request, handler: Handler) -> web.StreamResponse:
        await asyncio.sleep(away)
        return await handler(request)

    application.middlewares.append(far)
    return application


def _push_recorded(images: Images, repository: str) -> None:
    layout = DATA / "keyless" / "layouts" / BY_IDENTITY
    for entry in json.loads((layout / "index.json").read_bytes())["manifests"]:
        body = (layout / "blobs" / entry["digest"].replace(":", "/")).read_bytes()
        tag = entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
        for name in filter(None, (entry["digest"], tag)):
            images.manifests[repository, name] = (entry["mediaType"], body)
    for path in (layout / "blobs" / "sha256").iterdir():
        images.blobs[digest_of(path.read_bytes())] = path.read_bytes()


def main(what: str, port: str, *rest: str) -> None:
    """Serve until terminated."""
    context = None
    if what in {"gate", "relay"}:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(rest[0], rest[1])
    match what:
        case "gate":
            application = gate(None)
        case "relay":
            application = gate(rest[2])
        case "sink":
            application = sink()
        case _:
            application = registry(Path(rest[0]), float(rest[1]) if rest[1:] else 0.0)
    web.run_app(
        application, host="127.0.0.1", port=int(port), ssl_context=context, access_log=None, print=lambda *_: None
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
