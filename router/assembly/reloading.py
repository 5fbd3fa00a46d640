"""Configurations as they come: read and checked beside the loop, taken one after the other, or refused.

Rules:
(1) A configuration that can't be used is refused, said loudly, and the one in force stays whole. Whoever takes a good
    one makes all that could be refused before anything changes, and raises GatecrierError where it can't.
(2) What is read at the start only keeps its running value, and a change of it is said to need a restart.
(3) Reloads come one after the other, after the start, and none after the end has begun: what was read first could
    otherwise come into force last.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from router.assembly.observing import MetricsObserver
from router.errors import GatecrierError
from router.settings.loading import Loaded, attempt, load
from router.settings.restarting import in_force
from router.settings.tree import Settings
from router.settings.watching import watch
from router.telemetry.causes import Cause
from router.telemetry.logs import logger

log = logger()

PROBLEMS_SHOWN = 50
"""Problems of a refused configuration in one line of the log."""

Take: TypeAlias = Callable[[Loaded], Awaitable[None]]
"""Works by a configuration from now on; raises GatecrierError where that can't be, and changes nothing then."""


class Reloading:
    """The configuration file of a running router.

    Args:
        config: The file.
        environment: Variables that it may name.
        observing: Who counts.
        take: Takes every configuration but the first.
    """

    def __init__(self, config: Path, environment: Mapping[str, str], observing: MetricsObserver, take: Take) -> None:
        self._config = config
        self._environment = environment
        self._observing = observing
        self._take = take
        self._turn = asyncio.Lock()
        self._is_running = False
        self._watched: Mapping[Path, bytes | None] = {}
        self._in_force: Loaded

    async def start(self, begin: Take) -> None:
        """Read the first configuration and begin by it.

        Raises:
            ConfigurationError: It can't be used.
            GatecrierError: Whatever `begin` raises.
        """
        async with self._turn:
            first = load(self._config, self._environment)
            _warn(first)
            self._in_force = first
            self._observing.judging_within(first.settings.webhook.deadline)
            await begin(first)
            self._watched = first.watched
            self._is_running = True

    @property
    def settings(self) -> Settings:
        """Those in force, from the first on."""
        return self._in_force.settings

    async def in_turn(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do something that must not be done while a configuration is taken, nor before the first or after the last."""
        async with self._turn:
            if self._is_running:
                await work()

    def end(self) -> None:
        """Take none any more."""
        self._is_running = False

    async def watch(self) -> None:
        """Take the configuration whenever a file of it has changed, for ever; after the start."""
        await watch(self._watched, self.reload)

    async def reload(self) -> Mapping[Path, bytes | None]:
        """Take the configuration as it is now, or keep the old one; returns what is watched from now on."""
        async with self._turn:
            if self._is_running:
                await self._reload()
            return self._watched

    async def _reload(self) -> None:
        found = await asyncio.to_thread(attempt, self._config, self._environment)
        if not self._is_running:
            return
        if not isinstance(found, Loaded):
            self._watched = {**self._watched, **found.watched}
            self._refuse(found.text.splitlines()[:PROBLEMS_SHOWN])
            return
        self._watched = found.watched
        latest, changed = in_force(self._in_force, found)
        try:
            await self._take(latest)
        except GatecrierError as error:
            self._refuse([str(error)])
            return
        self._in_force = latest
        self._observing.reloaded(is_taken=True)
        self._observing.judging_within(latest.settings.webhook.deadline)
        self._observing.trouble_ended(Cause.CONFIGURATION_REFUSED, "")
        _warn(found)
        if changed:
            self._observing.trouble_began(Cause.RESTART_NEEDED, "", ", ".join(changed))
            log.warning("restart_needed", settings=changed, advice="the running values stay in force until then")
        else:
            self._observing.trouble_ended(Cause.RESTART_NEEDED, "")
        log.info("configuration_taken", cluster=self.settings.cluster, rules=len(self.settings.policy))

    def _refuse(self, problems: list[str]) -> None:
        self._observing.reloaded(is_taken=False)
        self._observing.trouble_began(
            Cause.CONFIGURATION_REFUSED, "", f"{len(problems)} mistakes; `configuration_refused` in the log has them"
        )
        log.error("configuration_refused", problems=problems, advice="the old one stays in force")


def _warn(loaded: Loaded) -> None:
    for warning in loaded.warnings:
        log.warning("configuration_questionable", warning=warning)
