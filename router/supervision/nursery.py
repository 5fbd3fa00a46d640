"""The nursery: a process without threads, forked before any was started, whose children are all our other processes.

Forking is safe only where no other thread can hold a lock, and cheap where what is imported is shared. The supervisor
has threads (its log's, at least), so it does not fork: it asks the nursery, which does nothing else.

Rules:
(1) The nursery is made by fork while the process has one thread and no event loop. What was imported by then is frozen
    (`gc.freeze`), so that collections of the children leave its pages shared; garbage goes before, else it would stay.
(2) If the nursery dies, its children live on, and the next one is a fresh interpreter that imports the same again: by
    then there are threads.
(3) Order and answer are one datagram each: the role and the descriptors that the child inherits; its process id.
    How a child ended is told in the same way.
(4) A child has nothing of the nursery but its descriptors. It does its role and ends with what that returns, without
    coming back. Like the nursery it ignores SIGTERM, SIGINT and SIGHUP: who leaves when is the supervisor's business,
    also where a terminal sends Ctrl-C to all.
(5) The nursery ends when the supervisor's end of its socket is closed, as it is when the supervisor dies; each child
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

from router.supervision.orphans import adopt_orphans, reap

Role: TypeAlias = Callable[[Sequence[int]], int]
"""What a child does with the descriptors it inherits; returns its exit code."""
Roles: TypeAlias = Callable[[], Mapping[str, Role]]
"""Gives the roles by name; importable, since a new nursery finds it by `module:name`."""

_DESCRIPTORS = 16
_LONGEST = 256
_FAILED = 70
"""EX_SOFTWARE of sysexits.h: a role that raised."""


class Nursery:
    """The supervisor's end: asks for children, hears of their ends.

    Args:
        roles: What children there can be.
    """

    def __init__(self, roles: Roles) -> None:
        """Fork the first nursery. To be called before any thread or event loop is started."""
        self._roles = roles
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        adopt_orphans()
        gc.collect()
        gc.freeze()
        self.process = os.fork()
        if self.process == 0:
            self.socket.close()
            _nurse(theirs, roles())  # does not return
        theirs.close()
        self.socket.setblocking(False)

    def replace(self) -> None:
        """Make the next nursery, since this one has died; with threads about it can only be a new interpreter."""
        self.socket.close()
        reap()
        self.socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.set_inheritable(True)
        code = "import sys; from router.supervision.nursery import begin; begin(sys.argv[1], int(sys.argv[2]))"
        name = f"{self._roles.__module__}:{self._roles.__qualname__}"
        self.process = os.posix_spawn(
            sys.executable, [sys.executable, "-c", code, name, str(theirs.fileno())], os.environ
        )
        theirs.close()
        self.socket.setblocking(False)

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


def begin(name: str, descriptor: int) -> NoReturn:
    """Be the nursery of a running supervisor, in a new interpreter."""
    module, _, attribute = name.partition(":")
    __import__(module)
    roles: Mapping[str, Role] = getattr(sys.modules[module], attribute)()
    gc.freeze()
    _nurse(socket.socket(fileno=descriptor), roles)


def _nurse(orders: socket.socket, roles: Mapping[str, Role]) -> NoReturn:
    """Fork children until nobody can order any more."""
    ends, end_of_one = os.pipe()
    for descriptor in (ends, end_of_one):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, _wake)
    signal.set_wakeup_fd(end_of_one, warn_on_full_buffer=False)
    _leave_signals_to_the_supervisor()
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
                _bear(orders, (ends, end_of_one), roles[said.decode()], descriptors)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody is told of ends any more, and nothing may interrupt this one
    os._exit(0)


def _bear(orders: socket.socket, pipe: Sequence[int], role: Role, descriptors: Sequence[int]) -> None:
    child = os.fork()
    if child == 0:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        orders.close()
        for descriptor in pipe:
            os.close(descriptor)
        code = _FAILED
        try:
            code = role(descriptors)
        finally:
            os._exit(code)  # whatever happened: nothing of the nursery may run on in a child
    for descriptor in descriptors:
        os.close(descriptor)
    orders.send(f"born {child}".encode())


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
