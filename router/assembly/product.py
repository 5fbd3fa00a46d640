r"""The product as processes, and its supervisor: reads the configuration, opens sockets, watches over the others.

    kube-apiserver --> gate, gate ...  == events, receipts ==>  keeper --> receivers
                              \__ supervisor: configuration, sockets, probes, metrics, log __/

Start, in order: configuration, sockets, probes, keeper and gates, ready. Requests wait in the kernel until there is a
gate, and events in a gate until there is a keeper.
Reload (`reloading`), on SIGHUP and when a file has changed: the supervisor reads and checks once. Every process is
asked whether it can work by the new configuration (`prepare`), and only when all can it is in force (`commit`), the
keeper's first, so that whoever is told to be told can be. A process that is made meanwhile is made by what is in force,
and so is the successor of one that can't work by it after all (`bringing`).
A trusted root that the keeper has renewed is taken in the same way, and a certificate (`webhook.tls: managed`).
Ready is who has a keeper and a gate, unless a process ends again and again, or we were told to leave.
Leave, on SIGTERM: unready at once, but for `webhook.linger` everybody is answered as before, since endpoints take that
long to change; each answer is its connection's last. A second SIGTERM changes nothing, SIGINT ends the wait.
Drain, then: gates answer those in hand, then attempts to deliver end and the outbox is closed, then all processes end.
All of it takes less than the 30 s after which Kubernetes kills.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from router import __version__
from router.assembly import messages
from router.assembly.attention import Attention
from router.assembly.bringing import Bringing
from router.assembly.counting import counted
from router.assembly.gate_half import FINISH
from router.assembly.in_force import GATE, KEEPER, InForce, in_force_from, take
from router.assembly.observing import MetricsObserver
from router.assembly.reloading import Reloading
from router.assembly.tending import Tending
from router.certificates.making import HeldCertificate
from router.errors import ConfigurationError
from router.ipc import Line, Peer
from router.outbox import Intake
from router.outbox.remote import RemoteIntake
from router.replicas.naming import own_name
from router.server.limits import OPERATIONS
from router.server.listening import Listener
from router.server.operations import Health, Unhealthy, Unready, operations_application, unready
from router.server.sockets import listening_sockets
from router.settings.loading import Loaded
from router.supervision import child
from router.supervision.family import FamilyHooks, ProcessFamily, Seat
from router.supervision.nurseries import Nurseries
from router.supervision.sizing import gate_processes, usable_cpus, usable_memory
from router.telemetry import logs, metrics
from router.telemetry.forwarding import Replay
from router.telemetry.logs import logger

log = logger()


class Product:
    """The supervisor.

    Args:
        config: The configuration file.
        environment: Variables that it may name.
        is_log_readable: The form of the log's lines; None: as standard error asks for.
    """

    def __init__(self, config: Path, environment: Mapping[str, str], *, is_log_readable: bool | None) -> None:
        self._is_log_readable = is_log_readable
        self._replica = own_name(environment)
        self._metrics = metrics.create(__version__)
        self._attention = Attention(self._metrics, self._replica)
        self._observing = MetricsObserver(self._metrics, self._attention.book.held_by("supervisor"))
        self._reloading = Reloading(config, environment, self._observing, self._replace)
        self._replays: Mapping[Seat, Replay[MetricsObserver]] = {}
        self._tending = Tending()
        self._health = Health(failure=self._failure)
        self._opened = contextlib.AsyncExitStack()
        self._phase: Unready | None = Unready.STARTING
        self._in_force: InForce
        self._nurseries: Nurseries
        self._family: ProcessFamily | None = None
        self._bringing = Bringing(lambda: self._in_force)
        self._webhook: Sequence[socket.socket] = ()
        self._at_keeper: socket.socket
        self._folder: Path
        self._intake: Intake

    async def start(self, nurseries: Nurseries) -> None:
        """Read the configuration, open everything, start all processes, which are made by these.

        Raises:
            ConfigurationError: The configuration can't be used, or an address is taken.
            GatecrierError: A process can't do its work: the outbox can't be opened, say.
        """
        self._nurseries = nurseries
        await self._reloading.start(self._start)
        self._tending.keep("watch files", self._reloading.watch())
        self._phase = None
        self._changed()
        settings, gates = self._reloading.settings, sum(seat.role == GATE for seat in self._seats())
        webhook = str(settings.webhook.listen)
        log.info("router_started", version=__version__, cluster=settings.cluster, webhook=webhook, gates=gates)

    async def _start(self, loaded: Loaded) -> None:
        settings, opened = loaded.settings, self._opened
        application = operations_application(self._health, self._exposed)
        operations = Listener(application, settings.operations.listen, self._observing, limits=OPERATIONS)
        opened.push_async_callback(operations.close, FINISH)
        self._webhook = await listening_sockets(settings.webhook.listen)
        for listening in self._webhook:
            opened.callback(listening.close)
        self._open_line()
        self._in_force = in_force_from(loaded, None)
        self._attention.take(settings)
        opened.push_async_callback(self._tending.close)
        wanted = settings.webhook.processes
        gates = gate_processes(usable_cpus(), usable_memory()) if wanted == "auto" else wanted
        family = self._family = self._made_family(gates)
        opened.push_async_callback(family.stop)
        self._tending.keep("look after troubles", self._attention.run(self._intake, self._observing))
        await operations.start()
        await family.start()

    def _open_line(self) -> None:
        """The socket at which gates call the keeper, in a folder that is ours alone; and our own line there."""
        self._folder = Path(tempfile.mkdtemp(prefix="gatecrier-"))
        self._opened.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self._at_keeper = socket.socket(socket.AF_UNIX)
        self._opened.callback(self._at_keeper.close)
        self._at_keeper.bind(str(self._folder / KEEPER))
        self._at_keeper.listen()
        line = Line(str(self._folder / KEEPER))
        self._opened.push_async_callback(line.close)
        self._intake = RemoteIntake(line)

    def _made_family(self, gates: int) -> ProcessFamily:
        seats = [Seat(KEEPER, 0), *(Seat(GATE, number) for number in range(gates))]
        inherited = {
            KEEPER: [self._at_keeper.fileno()],
            GATE: [listening.fileno() for listening in self._webhook],
        }
        self._replays = {
            seat: Replay(MetricsObserver(self._metrics, self._attention.book.held_by(seat.name))) for seat in seats
        }
        introduction = messages.Introduction(self._replica, str(self._folder / KEEPER), gates, self._is_log_readable)

        async def greet(seat: Seat, peer: Peer) -> None:
            await peer.ask(messages.INTRODUCE, messages.pack(introduction))
            await self._bringing.bring_up_to_date(seat.role, peer)
            await peer.ask(messages.START)
            await self._bringing.bring_up_to_date(seat.role, peer)  # a reload may have come between

        return ProcessFamily(
            self._nurseries,
            seats,
            FamilyHooks(
                greet=greet,
                answer=self._answer,
                inherit=lambda seat: inherited[seat.role],
                changed=self._changed,
                restarting=self._restarting,
            ),
        )

    def reload_soon(self) -> None:
        """Take the configuration as it is now, or keep the old one; needs a running event loop."""
        self._tending.let_end("read the configuration again", self._reload())

    async def _reload(self) -> None:
        await self._reloading.reload()

    async def linger(self, no_longer: asyncio.Event) -> None:
        """Unready, go on answering until whoever asks has noticed, or until `no_longer`."""
        self._phase = Unready.LEAVING
        self._reloading.end()
        self._changed()
        seconds = self._reloading.settings.webhook.linger
        log.info("router_leaving", linger=seconds)
        await self._ask_all(GATE, messages.LEAVE, FINISH)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await no_longer.wait()

    async def stop(self) -> None:
        """Drain and close, also after a start that failed half way."""
        was_started, self._phase = self._phase is not Unready.STARTING, Unready.LEAVING
        self._reloading.end()
        self._changed()
        if self._family is not None:
            deadline = self._reloading.settings.webhook.deadline
            await self._ask_all(GATE, messages.STOP, deadline + 2 * FINISH)
            await self._attention.close(self._intake, self._observing)
            await self._ask_all(KEEPER, messages.STOP, self._in_force.parts[KEEPER].patience + FINISH)
        await self._opened.aclose()
        (log.info if was_started else log.debug)("router_stopped")

    async def _ask_all(self, role: str, topic: str, patience: float) -> None:
        """Ask everybody in this role, who may end meanwhile."""
        peers = [seat.peer for seat in self._seats() if seat.role == role and seat.peer is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for problem in await asyncio.gather(*(peer.ask(topic) for peer in peers), return_exceptions=True):
                    if isinstance(problem, BaseException):
                        log.warning("process_not_told", role=role, topic=topic, problem=str(problem))

    async def _replace(self, loaded: Loaded) -> None:
        await self._bring_into_force(await asyncio.to_thread(in_force_from, loaded, self._in_force))

    async def _take(self, found: messages.RefreshedRoot | HeldCertificate) -> None:
        await self._reloading.in_turn(lambda: take(found, self._in_force, self._bring_into_force))

    async def _bring_into_force(self, configured: InForce) -> None:
        prepared = await self._bringing.prepare(configured, self._seats())
        self._in_force = configured
        self._attention.take(configured.settings, configured.held)
        await self._bringing.commit(prepared, self._seats())
        self._changed()

    async def _answer(self, seat: Seat, topic: str, body: bytes) -> bytes:
        match topic:
            case child.LINES:
                for line in child.unpacked_lines(body):
                    logs.write_line(line)
            case child.EVENT:
                logs.write_encoded_event(*child.unpacked_event(body))
            case messages.FACTS:
                self._replays[seat].play(body)
            case messages.ROOT:
                self._tending.let_end("take a root", self._take(messages.unpack(body, messages.RefreshedRoot)))
            case messages.HELD:
                self._tending.let_end("show a certificate", self._take(messages.unpack(body, HeldCertificate)))
            case _:
                raise ConfigurationError(f"{seat.role} asks {topic!r}, which nobody answers here")
        return b""

    async def _exposed(self) -> bytes:
        peers = [seat.peer for seat in self._seats() if seat.peer is not None]
        self._observing.connections(await counted(peers))
        for role in (GATE, KEEPER):
            self._observing.processes(role, sum(one.is_ready for one in self._seats() if one.role == role))
        return self._metrics.exposed()

    def _restarting(self, seat: Seat) -> None:
        self._attention.book.left(seat.name)
        self._observing.process_restarting(seat.role, seat.name)

    def _failure(self) -> Unhealthy | None:
        if self._tending.failure:
            return Unhealthy.TASK_ENDED
        return Unhealthy.SEAT_GIVEN_UP if self._family is not None and self._family.failure else None

    def _changed(self) -> None:
        if (family := self._family) is None:
            found = self._phase
        else:
            has_keeper, has_gate = family.is_ready(KEEPER), family.is_ready(GATE)
            found = unready(
                self._phase,
                has_keeper=has_keeper,
                has_gate=has_gate,
                is_hopeless=family.is_hopeless,
                has_certificate=not self._in_force.is_awaiting,
            )
        self._health.unready = found
        self._observing.ready(is_ready=found is None)

    def _seats(self) -> Sequence[Seat]:
        return () if self._family is None else self._family.seats
