"""A TUF repository of our own, made with python-tuf's repository API and served on loopback; it can attack, too."""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from securesystemslib.signer import CryptoSigner, Signer
from tuf.api.metadata import (
    TOP_LEVEL_ROLE_NAMES,
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)
from tuf.repository import Repository as RepositoryBase

from router.verification.repositories import Repository

NEVER = dt.timedelta(days=365)
TARGET = "trusted_root.json"


class OwnRepository(RepositoryBase):
    """Keeps every version of its metadata in memory, under the names by which clients ask."""

    def __init__(self, target: bytes | None) -> None:
        self.files: dict[str, bytes] = {}
        self.lifetimes = dict.fromkeys(TOP_LEVEL_ROLE_NAMES, NEVER)
        self.latest: dict[str, Any] = {}
        self.signers: dict[str, list[Signer]] = defaultdict(list)
        self._target_infos: dict[str, MetaFile] = {}
        with self.edit_root() as root:
            for role in TOP_LEVEL_ROLE_NAMES:
                signer = CryptoSigner.generate_ecdsa()
                self.signers[role].append(signer)
                root.add_key(signer.public_key, role)
        self.beginning = self.files["1.root.json"]
        self.publish(target)

    @property
    def targets_infos(self) -> dict[str, MetaFile]:
        """Part of python-tuf's base."""
        return self._target_infos

    @property
    def snapshot_info(self) -> MetaFile:
        """Part of python-tuf's base."""
        return MetaFile(self.latest[Snapshot.type].signed.version)

    def open(self, role: str) -> Any:  # noqa: ANN401 - Metadata of whichever role, which has no name as a type
        """Part of python-tuf's base."""
        if role in self.latest:
            return copy.deepcopy(self.latest[role])
        made: dict[str, Any] = {one.type: one for one in (Root, Snapshot, Targets, Timestamp)}
        metadata = Metadata(made[role]())
        metadata.signed.version = 0
        return metadata

    def close(self, role: str, md: Any) -> None:  # noqa: ANN401 - as above
        """Part of python-tuf's base."""
        md.signed.version += 1
        md.signed.expires = dt.datetime.now(dt.UTC).replace(microsecond=0) + self.lifetimes[role]
        self.store(role, md)

    def store(self, role: str, md: Any) -> None:  # noqa: ANN401 - as above
        """Sign and publish it."""
        md.signatures.clear()
        for signer in self.signers[role]:
            md.sign(signer, append=True)
        self.latest[role] = md
        name = f"{role}.json" if role == Timestamp.type else f"{md.signed.version}.{role}.json"
        self.files[name] = md.to_bytes()
        if role == Targets.type:
            self._target_infos["targets.json"] = MetaFile(md.signed.version)

    def publish(self, target: bytes | None) -> None:
        """Have this as the trusted root, or none."""
        with self.edit_targets() as targets:
            targets.targets.clear()
            if target is not None:
                info = targets.targets[TARGET] = TargetFile.from_data(TARGET, target, ["sha256"])
                self.files[f"targets/{info.hashes['sha256']}.{TARGET}"] = target
        self.do_snapshot()
        self.do_timestamp()

    def turn_root_key(self) -> None:
        """Replace the key of the root, signed by the old one and by the new one."""
        old = self.signers[Root.type][0]
        new = CryptoSigner.generate_ecdsa()
        self.signers[Root.type] = [old, new]
        with self.edit_root() as root:
            root.revoke_key(old.public_key.keyid, Root.type)
            root.add_key(new.public_key, Root.type)
        self.signers[Root.type] = [new]

    def known(self, url: str, every: float = 3600.0, name: str = "own") -> Repository:
        """It as Gatecrier knows it."""
        return Repository(name, url, self.beginning, every)


@asynccontextmanager
async def serving(files: Mapping[str, bytes]) -> AsyncIterator[Server]:
    """Serves these files, as they are when they are asked for."""
    server = Server(files)
    runner = web.AppRunner(server.application(), shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    server.url = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"  # type: ignore[attr-defined]
    try:
        yield server
    finally:
        server.let_go.set()
        await runner.cleanup()


class Server:
    """Somebody who serves a repository, honestly or not."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files
        self.url = ""
        self.asked: list[str] = []
        self.endless: set[str] = set()
        self.slow: set[str] = set()
        self.let_go = asyncio.Event()

    def application(self) -> web.Application:
        """To be served."""
        application = web.Application()
        application.router.add_get("/{name:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.asked.append(name)
        reply = web.StreamResponse()
        if name in self.slow:
            await reply.prepare(request)
            await reply.write(b"{")
            await self.let_go.wait()
            return reply
        if name in self.endless:
            await reply.prepare(request)
            while not self.let_go.is_set():
                await reply.write(b" " * 65536)
            return reply
        if name not in self.files:
            return web.Response(status=404)
        return web.Response(body=self.files[name])


def respelled(root: bytes) -> bytes:
    """The same trusted root with one authority less: other content."""
    document = json.loads(root)
    document["timestampAuthorities"] = []
    return json.dumps(document).encode()
