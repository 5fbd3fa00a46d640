"""Looks after the webhook's certificate: asks the API server, does the step that is due, and shows what is current.

Every `LOOK` seconds each replica, in this order:
(1) tries to lead, by a Lease: whoever holds it renews it, and anybody may take it whose own clock has seen it unchanged
    for `LEASE` seconds. Clocks of different machines are never compared.
(2) reads the bundles of the webhooks, where it leads; then the Secret.
(3) does what it must about what it shows (`planning.own_step`).
(4) where it leads, does the step that is due (`planning.step`).

Nobody watches: the right to would be one more, and one look in `LOOK` seconds mends a bundle in time. What fails is
looked at again, after as long at first, later more seldom; failing for `FAILING` looks in a row is a trouble. What was
refused because it has changed (`conflict`) is looked at again at once, a few times.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from router.certificates.making import HeldCertificate, make
from router.certificates.planning import Make, Mend, Since, StoredCertificates, Write, made, own_step, step
from router.certificates.stored import (
    LEASES,
    MUTATING,
    SECRETS,
    VALIDATING,
    StoredSecret,
    WebhookConfiguration,
    bundle_patch,
    bundles_in,
    kept_in,
    lease_body,
    mark_patch,
    secret_patch,
)
from router.errors import ClusterError
from router.kubernetes.client import Cluster, PatchKind
from router.kubernetes.patience import delay
from router.kubernetes.resources import Resource
from router.telemetry.causes import Cause, Troubles
from router.telemetry.logs import logger

log = logger()

LOOK = 4.0
"""Seconds between two looks."""
LEASE = 15.0
"""Seconds after which a Lease that nobody renews may be taken."""
FAILING = 3
"""Looks in a row after which failing is a trouble."""
OFTEN = 100
"""Looks in a row that fail for one more line in the log."""
AT_ONCE = 3
"""Looks in a row that may follow each other at once."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the chart has called things: all are named after the release."""

    name: str
    """Of the service and the webhook configurations; with `-tls`, of Secret and Lease."""
    namespace: str

    @property
    def tls(self) -> str:
        """Of Secret and Lease."""
        return f"{self.name}-tls"

    @property
    def hosts(self) -> Sequence[str]:
        """What the API server calls the service."""
        return [f"{self.name}.{self.namespace}.svc"]


@dataclass(frozen=True, slots=True)
class Means:
    """What the world gives."""

    clock: Callable[[], float] = time.time
    """Seconds since 1970."""
    dice: Callable[[], float] = random.random
    """Drawn evenly from [0, 1)."""
    make: Callable[[Sequence[str], float], HeldCertificate] = make
    """Makes a certificate for these DNS names at this time."""


MEANS = Means()


class CertificateKeeper:
    """Looks after it.

    Args:
        api: Gives the API server; raises ClusterError where it can't be asked.
        names: Says what things are called; raises ClusterError.
        replica: Which of our replicas this is.
        show: Has the gates show a certificate; what is shown is told to `shown`.
        troubles: Is told what is wrong.
        means: Clock, dice, and who makes certificates.
    """

    def __init__(
        self,
        api: Callable[[], Cluster],
        names: Callable[[], Names],
        replica: str,
        show: Callable[[HeldCertificate], None],
        troubles: Troubles,
        means: Means = MEANS,
    ) -> None:
        self._api = api
        self._named = names
        self._names = Names("", "")
        self._replica = replica
        self._show = show
        self._troubles = troubles
        self._means = means
        self._since = Since()
        self._lease: tuple[object, float] = (None, 0.0)
        self._failures = 0
        self._conflicts = 0
        self.shown: HeldCertificate | None = None
        """What the gates show."""
        self.is_on = True
        """Whether anything is looked after."""

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            seconds = await self.looked()
            await asyncio.sleep(seconds)

    async def looked(self) -> float:
        """Look once; returns the seconds until the next."""
        if not self.is_on:
            return LOOK
        try:
            await self._look()
        except ClusterError as error:
            if error.cause == "conflict" and self._conflicts < AT_ONCE:
                self._conflicts += 1
                return delay(1, self._means.dice())
            return self._failed(error)
        self._conflicts = self._failures = 0
        self._troubles.trouble_ended(Cause.CERTIFICATE_UNKEPT, "")
        return LOOK * (0.75 + self._means.dice() / 4)

    def _failed(self, error: ClusterError) -> float:
        self._failures += 1
        if self._failures >= FAILING:
            self._troubles.trouble_began(Cause.CERTIFICATE_UNKEPT, "", str(error))
        if self._failures in (1, FAILING) or self._failures % OFTEN == 0:
            log.warning("certificate_not_looked_after", cause=error.cause, problem=str(error), times=self._failures)
        return LOOK + delay(self._failures, self._means.dice(), error.after)

    async def _look(self) -> None:
        self._names = self._named()
        leads = await self._leads()
        hooks = await self._hooks() if leads else []
        secret = await self._api().get(SECRETS, self._names.tls, self._names.namespace)
        secret = await self._do_own(secret)
        if leads:
            await self._do_step(secret, hooks)
        else:
            self._since = Since()

    async def _leads(self) -> bool:
        """Hold the Lease, or take it where its holder is gone (1)."""
        loop, names = asyncio.get_running_loop(), self._names
        lease = await self._api().get(LEASES, names.tls, names.namespace)
        seen = (lease.spec, lease.metadata.resource_version)
        if seen != self._lease[0]:
            self._lease = seen, loop.time()
        holder = None if lease.spec is None else lease.spec.holder_identity
        if holder not in (None, "", self._replica) and loop.time() - self._lease[1] < LEASE:
            return False
        body = lease_body(lease, self._replica, LEASE, self._means.clock())
        try:
            taken = await self._api().patch(LEASES, names.tls, body, names.namespace)
        except ClusterError as error:
            if error.cause == "conflict":
                return False
            raise
        self._lease = (taken.spec, taken.metadata.resource_version), loop.time()
        if holder != self._replica:
            log.info("certificate_led", replica=self._replica, before=holder or "")
            self._since = Since()
        return True

    async def _hooks(self) -> Sequence[tuple[Resource[WebhookConfiguration], WebhookConfiguration]]:
        found = []
        for resource in (VALIDATING, MUTATING):
            try:
                found.append((resource, await self._api().get(resource, self._names.name)))
            except ClusterError as error:
                if error.cause != "not_found":  # only who pins digests has a mutating one
                    raise
        return found

    async def _do_own(self, secret: StoredSecret) -> StoredSecret:
        """Mark and show what this replica should (3); returns the Secret as it is then."""
        now = self._means.clock()
        own = own_step(self._kept(secret), self._replica, None if self.shown is None else self.shown.mark, now)
        if own.mark is not None:
            body = mark_patch(secret, self._replica, own.mark, now)
            secret = await self._api().patch(SECRETS, self._names.tls, body, self._names.namespace)
        if own.show is not None:
            self._show(own.show)
        return secret

    def _kept(self, secret: StoredSecret) -> StoredCertificates:
        return kept_in(secret, self._names.hosts)

    async def _do_step(
        self, secret: StoredSecret, hooks: Sequence[tuple[Resource[WebhookConfiguration], WebhookConfiguration]]
    ) -> None:
        kept, now = self._kept(secret), self._means.clock()
        bundles = [bundle for _, one in hooks for bundle in bundles_in(one)]
        own = self.shown if self.shown is not None and self.shown.is_for(self._names.hosts) else None
        due = step(kept, bundles, self._since, own, asyncio.get_running_loop().time(), now)
        match due:
            case Mend(bundle):
                await self._mend(hooks, bundle)
            case Make(is_first):
                fresh = self._means.make(self._names.hosts, now)  # a millisecond: two keys of P-256
                await self._write(secret, made(kept, fresh, is_first=is_first))
            case Write():
                await self._write(secret, due)
            case None:
                pass

    async def _mend(
        self, hooks: Sequence[tuple[Resource[WebhookConfiguration], WebhookConfiguration]], bundle: bytes
    ) -> None:
        for resource, one in hooks:
            if any(found != bundle for found in bundles_in(one)):
                await self._api().patch(resource, self._names.name, bundle_patch(one, bundle), kind=PatchKind.JSON)
                log.info("ca_bundle_written", of=resource.plural)

    async def _write(self, secret: StoredSecret, write: Write) -> None:
        body = secret_patch(secret, write.kept)
        await self._api().patch(SECRETS, self._names.tls, body, self._names.namespace)
        log.info("certificate_step", step=write.why)
