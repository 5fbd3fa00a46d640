"""A cluster in which replicas look after a certificate: objects with versions, replicas that stall, and who tramples.

Whenever a bundle changes or a replica shows another certificate, the invariant is checked: what a replica shows is
vouched for by every bundle. Where somebody else has reset a bundle that is known to be broken until it is mended.
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import orjson

from router.certificates.keeping import CertificateKeeper, Means, Names
from router.certificates.making import HeldCertificate, make
from router.errors import ClusterError
from router.kubernetes.client import Cluster, Json, PatchKind
from router.kubernetes.resources import Resource, Shape
from router.telemetry.causes import Cause
from tests.simulators.kubernetes import merged

NAMES = Names("gatecrier", "gatecrier")
START = 1_800_000_000.0
LIFE = 1200.0
"""Seconds that a certificate is valid here: it is renewed after 800."""


def hooks(count: int) -> dict[str, Any]:
    """A webhook configuration as the chart makes it."""
    config: dict[str, object] = {"service": {"name": "gatecrier", "namespace": "gatecrier"}}
    webhooks = [{"name": f"{n}.gatecrier.dev", "clientConfig": dict(config)} for n in range(count)]
    return {"metadata": {"name": "gatecrier"}, "webhooks": webhooks}


@dataclass
class World:
    """The cluster. Times are those of the running loop; the time of day is that plus `START`."""

    seed: int = 0
    slowness: float = 0.0
    """Seconds that a question takes at most."""
    failing: float = 0.0
    """Part of the questions that fail, half of them after they were done."""
    objects: dict[str, Any] = field(default_factory=dict)
    version: int = 1
    showing: dict[str, HeldCertificate] = field(default_factory=dict)
    """By replica, what its gates show."""
    broken: list[tuple[float, str]] = field(default_factory=list)
    """When the invariant did not hold, and for whom."""
    reset_at: float | None = 0.0
    """When somebody else has reset a bundle that was not mended yet; at first there is none."""
    mended_after: list[float] = field(default_factory=list)
    made: list[HeldCertificate] = field(default_factory=list)
    troubles: set[tuple[str, str]] = field(default_factory=set)
    stalled: dict[str, asyncio.Event] = field(default_factory=dict)
    is_away: bool = False
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)  # noqa: S311 - a story, no secret
        for path in ("secrets/gatecrier-tls", "leases/gatecrier-tls"):
            self.objects[path] = {"metadata": {"name": "gatecrier-tls", "resourceVersion": "1"}}
        for path, count in (("validatingwebhookconfigurations", 2), ("mutatingwebhookconfigurations", 1)):
            self.objects[f"{path}/gatecrier"] = hooks(count)
            self.objects[f"{path}/gatecrier"]["metadata"]["resourceVersion"] = "1"

    @property
    def now(self) -> float:
        """The time of the story."""
        return asyncio.get_running_loop().time()

    # Replicas

    def begin(self, replica: str) -> CertificateKeeper:
        """Start a replica, or start it anew: nothing is shown until it knows what."""
        self.end(replica)
        self.stalled[replica] = asyncio.Event()
        self.stalled[replica].set()
        keeping: CertificateKeeper

        def show(held: HeldCertificate) -> None:
            self.showing[replica] = keeping.shown = held
            self.look()

        means = Means(lambda: START + self.now, self.dice.random, self._make)
        keeping = CertificateKeeper(lambda: Api(self, replica), lambda: NAMES, replica, show, self, means)
        self._tasks[replica] = asyncio.create_task(keeping.run())
        return keeping

    def end(self, replica: str) -> None:
        """Kill a replica."""
        if (task := self._tasks.pop(replica, None)) is not None:
            task.cancel()
        self.showing.pop(replica, None)

    async def close(self) -> None:
        """End all; raises what any of them has raised."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        for found in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(found, Exception):
                raise found

    def _make(self, names: Sequence[str], now: float) -> HeldCertificate:
        self.made.append(make(names, now, LIFE, skew=0))
        return self.made[-1]

    def happen(self, what: str, replica: str) -> None:
        """One of the things that happen to a replica, or to all."""
        match what:
            case "restart":
                self.begin(replica)
            case "kill":
                self.end(replica)
            case "stall":
                self.stalled[replica].clear()
            case "go on":
                self.stalled[replica].set()
            case "trample":
                self.trample()
            case "away" | "back":
                self.is_away = what == "away"

    def trouble_began(self, cause: Cause, subject: str, text: str) -> None:
        """Implements `Troubles`."""
        assert text
        self.troubles.add((cause, subject))

    def trouble_ended(self, cause: Cause, subject: str) -> None:
        """Implements `Troubles`."""
        self.troubles.discard((cause, subject))

    # Objects

    def bundles(self) -> list[str]:
        """Of every webhook."""
        return [
            hook["clientConfig"].get("caBundle", "")
            for path, one in self.objects.items()
            if path.endswith("configurations/gatecrier")
            for hook in one["webhooks"]
        ]

    def change(self, path: str, changed: dict[str, Any]) -> None:
        """Write an object."""
        self.version += 1
        changed["metadata"]["resourceVersion"] = str(self.version)
        self.objects[path] = changed
        self.look()

    def trample(self, bundle: str | None = None) -> None:
        """Somebody else writes the webhooks as they stand in his repository."""
        path = self.dice.choice([path for path in self.objects if "configurations" in path])
        changed = json.loads(json.dumps(self.objects[path]))
        for hook in changed["webhooks"]:
            hook["clientConfig"].pop("caBundle", None)
            if bundle is not None:
                hook["clientConfig"]["caBundle"] = bundle
        if self.reset_at is None:
            self.reset_at = self.now
        self.change(path, changed)

    def look(self) -> None:
        """Check the invariant."""
        wanting = {
            replica
            for replica, held in self.showing.items()
            if not all(held.authority.strip() in base64.b64decode(bundle) for bundle in self.bundles())
        }
        if self.showing and not wanting and self.reset_at is not None:
            self.mended_after.append(self.now - self.reset_at)
            self.reset_at = None
        if self.reset_at is None:
            self.broken += [(self.now, replica) for replica in sorted(wanting)]


class Api(Cluster):
    """What a replica reaches of it, without a connection."""

    def __init__(self, world: World, replica: str) -> None:
        self._world = world
        self._replica = replica

    async def get(self, resource: Resource[Shape], name: str, namespace: str | None = None) -> Shape:
        """One object."""
        assert (namespace is None) == ("configurations" in resource.plural)
        return await self._asked(lambda: self._found(resource, name), resource)

    async def patch(
        self,
        resource: Resource[Shape],
        name: str,
        body: Json,
        namespace: str | None = None,
        kind: PatchKind = PatchKind.MERGE,
    ) -> Shape:
        """The object after a change."""
        assert (namespace is None) == ("configurations" in resource.plural)
        return await self._asked(lambda: self._patched(resource, name, body, kind), resource)

    async def _asked(self, do: Callable[[], bytes], resource: Resource[Shape]) -> Shape:
        world = self._world
        await asyncio.sleep(world.dice.random() * world.slowness)
        await world.stalled[self._replica].wait()
        fails = world.is_away or world.dice.random() < world.failing
        is_done = not (fails and (world.is_away or world.dice.random() < 0.5))
        found = do() if is_done else b""
        await asyncio.sleep(world.dice.random() * world.slowness)
        await world.stalled[self._replica].wait()
        if fails:
            raise ClusterError("it went wrong", cause="unreachable")
        return msgspec.json.decode(found, type=resource.shape)

    def _found(self, resource: Resource[Shape], name: str) -> bytes:
        found = self._world.objects.get(f"{resource.plural}/{name}")
        if found is None:
            raise ClusterError("no such object", cause="not_found")
        return orjson.dumps(found)

    def _patched(self, resource: Resource[Shape], name: str, body: Json, kind: PatchKind) -> bytes:
        path = f"{resource.plural}/{name}"
        found, patch = orjson.loads(self._found(resource, name)), orjson.loads(orjson.dumps(body))
        if kind is PatchKind.JSON:
            versions = [one["value"] for one in patch if one["path"] == "/metadata/resourceVersion"]
            for one in patch:
                _, *inner, last = one["path"].split("/")
                target = found
                for key in inner:
                    target = target[int(key) if key.isdigit() else key]
                target[last] = one["value"]
        else:
            versions = [patch["metadata"]["resourceVersion"]]
            found = merged(found, patch)
        if versions != [self._world.objects[path]["metadata"]["resourceVersion"]]:
            raise ClusterError("it has changed", cause="conflict")
        self._world.change(path, found)
        return orjson.dumps(found)
