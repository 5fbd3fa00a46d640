"""A nursery: a process without threads, forked before any was started, whose children are all our other processes.

Forking is safe only where no other thread can hold a lock, and cheap where what is imported is shared. The supervisor
has threads (its log's, at least), so it does not fork: it asks a nursery, which does nothing else.

Rules:
(1) The first nursery is made by fork while the process has one thread and no event loop. What was imported by then is
    frozen (`gc.freeze`), so that collections of the children leave its pages shared. Garbage stays: where it went, it
    would leave holes, and whoever makes something in one has the page for itself (as the documentation of `gc.freeze`
    says).
(2) A nursery bears other nurseries, too (`SPARE`): one that waits, and has imported everything when it is needed.
    If a nursery dies, its children live on.
(3) Order and answer are one datagram each: the role and the descriptors that the child inherits; its process id.
    How a child ended is told in the same way.
(4) A child has nothing of the nursery but its descriptors. It does its role and ends with what that returns, without
    coming back. Like the nursery it ignores SIGTERM, SIGINT and SIGHUP: who leaves when is the supervisor's business,
    also where a terminal sends Ctrl-C to all.
(5) A nursery ends when the supervisor's end of its socket is closed, as it is when the supervisor dies; each child
    has a socket to the supervisor for the same purpose.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import NoReturn, TypeAlias

Role: TypeAlias = Callable[[Sequence[int]], int]
"""What a child does with the descriptors it inherits; returns its exit code."""
Roles: TypeAlias = Callable[[], Mapping[str, Role]]
"""Gives the roles by name; importable, since a new nursery finds it by `module:name`."""

SPARE = "nursery"
"""The role of a nursery that another one bears."""
_DESCRIPTORS = 16
_LONGEST = 256
_FAILED = 70
"""EX_SOFTWARE of sysexits.h: a role that raised."""


class Nursery:
    """The supervisor's end of one: asks for children, hears of their ends.

    Args:
        connection: The socket to it.
        process: Its process id, where that is known.
    """

    def __init__(self, connection: socket.socket, process: int | None = None) -> None:
        connection.setblocking(False)
        self.socket = connection
        self.process = process

    def order(self, role: str, descriptors: Sequence[int]) -> None:
        """Ask for a child; it is born some time later (`hear`), in the order in which they were ordered.

        Raises:
            OSError: The nursery has died.
        """
        socket.send_fds(self.socket, [role.encode()], list(descriptors))

    def hear(self) -> str | None:
        """The next that the nursery has to say, `born PID` or `ended PID STATUS`; None where it has died.

        Raises:
            BlockingIOError: It has nothing to say.
        """
        try:
            said = self.socket.recv(_LONGEST)
        except ConnectionResetError:
            return None
        return said.decode() or None

    def close(self) -> None:
        """End the nursery; its children are ended by whoever talks with them."""
        self.socket.close()


def pair() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end and a nursery's."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def forked(roles: Roles) -> Nursery:
    """The first nursery. To be called before any thread or event loop is started."""
    ours, theirs = pair()
    gc.freeze()
    process = os.fork()
    if process == 0:
        ours.close()
        _nurse(theirs, roles())  # does not return
    theirs.close()
    return Nursery(ours, process)


def spawned(roles: Roles) -> Nursery:
    """A nursery that is a fresh interpreter and imports everything again: all that can be made with threads about.

    Raises:
        OSError: No memory, or no more processes.
    """
    ours, theirs = pair()
    with theirs:
        theirs.set_inheritable(True)
        code = "import sys; from router.supervision.nursery import begin; begin(sys.argv[1], int(sys.argv[2]))"
        name = f"{roles.__module__}:{roles.__qualname__}"
        command = [sys.executable, "-c", code, name, str(theirs.fileno())]
        try:
            return Nursery(ours, os.posix_spawn(sys.executable, command, os.environ))
        except OSError:
            ours.close()
            raise


def begin(name: str, descriptor: int) -> NoReturn:
    """Be a nursery of a running supervisor, in a new interpreter."""
    module, _, attribute = name.partition(":")
    __import__(module)
    roles: Mapping[str, Role] = getattr(sys.modules[module], attribute)()
    gc.freeze()
    _nurse(socket.socket(fileno=descriptor), roles)


def _nurse(orders: socket.socket, roles: Mapping[str, Role]) -> NoReturn:
    """Be a nursery; and each child that is to be one goes on here, however many there were before it."""
    code = _FAILED
    try:
        _leave_signals_to_the_supervisor()
        following: socket.socket | None = orders
        while following is not None:
            following = _attend(following, roles)
        code = 0
    finally:
        os._exit(code)  # whatever happened: nothing of the supervisor may run on in here


def _attend(orders: socket.socket, roles: Mapping[str, Role]) -> socket.socket | None:
    """Fork children until nobody can order any more; or, in a child that is a nursery, gives who orders there."""
    ends, end_of_one = os.pipe()
    for descriptor in (ends, end_of_one):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, _wake)
    signal.set_wakeup_fd(end_of_one, warn_on_full_buffer=False)
    ready = select.poll()
    ready.register(orders, select.POLLIN)
    ready.register(ends, select.POLLIN)
    with contextlib.suppress(OSError):  # the supervisor has gone
        while True:
            waiting = {descriptor for descriptor, _ in ready.poll()}
            if ends in waiting:
                os.read(ends, _LONGEST)
                _report_ends(orders)
            if orders.fileno() in waiting:
                said, descriptors, _, _ = socket.recv_fds(orders, _LONGEST, _DESCRIPTORS)
                if not said:
                    break
                if (child := os.fork()) == 0:
                    return _be(said.decode(), descriptors, roles, (orders.detach(), ends, end_of_one))
                for descriptor in descriptors:
                    os.close(descriptor)
                orders.send(f"born {child}".encode())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody is told of ends any more, and nothing may interrupt this one
    return None


def _be(
    name: str, descriptors: Sequence[int], roles: Mapping[str, Role], of_the_nursery: Sequence[int]
) -> socket.socket:
    """Be what was ordered, in the child; comes back only in one that is a nursery, with who orders there."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for descriptor in of_the_nursery:
        os.close(descriptor)
    if name == SPARE:
        return socket.socket(fileno=descriptors[0])
    code = _FAILED
    try:
        code = roles[name](descriptors)
    finally:
        os._exit(code)  # whatever happened: nothing of the nursery may run on in a child


def _leave_signals_to_the_supervisor() -> None:
    """Ignore what the supervisor is told by (4)."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def _wake(_number: int, _frame: FrameType | None) -> None:
    """There is a handler so that the signal is written to the pipe: one that is ignored wakes nobody."""


def _report_ends(orders: socket.socket) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            child, status = os.waitpid(-1, os.WNOHANG)
            if child == 0:
                return
            orders.send(f"ended {child} {os.waitstatus_to_exitcode(status)}".encode())
