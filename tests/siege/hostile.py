"""What those do who deploy, reach the port or run a registry: each goes on until it is stopped.

    python -m tests.siege.hostile PORT REGISTRY SILENT SEED

A process of its own and a nice one: what attackers do with their own machines' time takes none of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import random
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from tests.admission.world import pod
from tests.siege.served import Served

DEEP = b'{"f:a":' * 1500 + b"{}" + b"}" * 1500
PACKED = gzip.compress(b'{"x":"' + b"a" * 30_000_000 + b'"}')
TROUBLE = (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
"""What a hostile client may meet."""


@dataclass
class Field:
    """Where the siege takes place."""

    served: Served
    registry: str
    """A registry that answers."""
    silent: str
    """A host and port that accepts and never answers."""
    dice: random.Random

    def uid(self) -> str:
        """One of the attacker's own."""
        return f"hostile-{self.dice.randrange(1 << 60)}"

    def review(self, *images: str, namespace: str = "watched", **request: object) -> bytes:
        """A Pod's review."""
        return json.dumps(pod(*images, namespace=namespace, uid=self.uid(), **request)).encode()


async def odd_bodies(field: Field) -> None:
    """Places that nobody needs, full of what nobody reads."""
    odd = field.dice.choice([DEEP, b'{"\xff":1}', b'"\\ud800"', b"9" * 5000, b"[" * 11_000 + b"]" * 11_000])
    found = {"metadata": {"managedFields": "@@"}, "spec": {"containers": [{"name": "c", "image": "r.example/x:1"}]}}
    await field.served.exchange(field.review(object=found).replace(b'"@@"', odd))


async def long_names(field: Field) -> None:
    """A thousand names of a thousand characters, each another."""
    host = ("h" * 60 + ".") * 3 + "example/"
    names = [f"{host}{'x/' * 110}{field.uid()}:t" for _ in range(1000)]
    await field.served.exchange(field.review(*names, dryRun=field.dice.random() < 0.5))


async def control_characters(field: Field) -> None:
    """Names that grow when they are written down."""
    await field.served.exchange(field.review(*("\x01" * 4700 + str(number) for number in range(100))))


async def empty_promises(field: Field) -> None:
    """A large body that never comes."""
    reader, writer = await field.served.connection()
    try:
        writer.write(field.served.request(33_554_000) + b"{" * field.dice.choice([0, 100, 1_100_000]))
        await reader.read()
    finally:
        writer.transport.abort()


async def fat_bodies(field: Field) -> None:
    """A million objects in three megabytes."""
    body = field.review(object={"spec": {"containers": [], "x": "@@"}}, dryRun=True)
    await field.served.exchange(body.replace(b'"@@"', b"[" + b"{}," * 950_000 + b"{}]"))


async def packed_bodies(field: Field) -> None:
    """Thirty megabytes in thirty kilobytes."""
    await field.served.exchange(PACKED, "Content-Encoding: gzip\r\n")


async def silent_hosts(field: Field) -> None:
    """A thousand images on hosts that accept and say nothing, or that are none."""
    images = [f"{field.silent}/a{field.uid()}/b:{number}" for number in range(500)]
    images += [f"127.0.0.1:{1024 + number}/a/b:1" for number in range(300)]
    await field.served.exchange(field.review(*images))


async def many_tags(field: Field) -> None:
    """Tags that were never pushed, as dry runs."""
    images = [f"{field.registry}/shop/{field.uid()}:1" for _ in range(300)]
    await field.served.exchange(field.review(*images, dryRun=True))


async def rubbish(field: Field) -> None:
    """What is no review at all."""
    size = field.dice.choice([0, 10, 100_000])
    await field.served.exchange(field.dice.randbytes(size), patience=field.dice.choice(["1s", "", "%00", "9" * 999]))


async def slow_heads(field: Field) -> None:
    """A head, a byte at a time."""
    reader, writer = await field.served.connection()
    try:
        for byte in field.served.request(10)[:40]:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.5)
        await reader.read()
    finally:
        writer.transport.abort()


async def half_handshakes(field: Field) -> None:
    """A connection that never says anything."""
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", field.served.webhook, local_addr=(field.served.source, 0)
    )
    try:
        writer.write(field.dice.randbytes(field.dice.choice([0, 1, 3])))
        await reader.read()
    finally:
        writer.transport.abort()


async def leaving(field: Field) -> None:
    """A question whose answer nobody waits for."""
    _, writer = await field.served.connection()
    body = field.review(f"{field.silent}/a/b:1")
    try:
        writer.write(field.served.request(len(body)) + body)
        await asyncio.sleep(field.dice.random() * 0.2)
    finally:
        writer.transport.abort()


CROWD: dict[Callable[[Field], Awaitable[None]], int] = {
    odd_bodies: 2,
    long_names: 2,
    control_characters: 2,
    empty_promises: 24,
    fat_bodies: 4,
    packed_bodies: 2,
    silent_hosts: 4,
    many_tags: 3,
    rubbish: 2,
    slow_heads: 12,
    half_handshakes: 24,
    leaving: 3,
}
"""How many of each kind there are at once."""
LONGEST = 20
"""Seconds of an attack, before the next one of its kind."""


async def besiege(field: Field) -> None:
    """All of them, again and again, until cancelled."""

    async def go_on(attack: Callable[[Field], Awaitable[None]]) -> None:
        while True:
            with contextlib.suppress(*TROUBLE):
                async with asyncio.timeout(LONGEST):
                    await attack(field)
            await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        for attack, count in CROWD.items():
            for _ in range(count):
                group.create_task(go_on(attack))


def main(port: int, registry: str, silent: str, seed: int) -> None:
    """Besiege until killed."""
    os.nice(15)
    dice = random.Random(seed)  # noqa: S311 - a repeatable crowd
    served = Served(Path(), {}, webhook=port, source="127.0.0.2")
    asyncio.run(besiege(Field(served, registry, silent, dice)))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
