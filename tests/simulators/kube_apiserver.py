"""A real API server on loopback: etcd and kube-apiserver, and on request kube-controller-manager, as programs.

    with started(folder) as server:
        ... server.kubeconfig, server.url ...

The fixture `api_server` of `tests/conftest.py` is one for all tests of a run. etcd is Debian's `etcd-server`; the
programs of Kubernetes are looked for in GATECRIER_KUBE, in ~/.cache/gatecrier-kube and on PATH. Tests are skipped where
there are none (`needs_api_server`). There is no kubelet and no scheduler: Pods are stored and stay Pending. Who runs
as `admin` may do everything; RBAC is on.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import select
import shutil
import signal
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from router.cli.demo.world import free_port
from router.issuing import written
from router.kubernetes.access import Access
from router.outbound.authorities import client_context
from router.tls import show
from tests.simulators.kube_authority import Authority

READY = 90.0
"""Seconds until the API server must be ready."""
_FOLDERS = (os.environ.get("GATECRIER_KUBE", ""), str(Path.home() / ".cache" / "gatecrier-kube"))


def program(name: str) -> str | None:
    """Where a program is; None where it is not there."""
    return shutil.which(name, path=os.pathsep.join((*_FOLDERS, os.environ.get("PATH", ""))))


needs_api_server = pytest.mark.skipif(
    program("kube-apiserver") is None or program("etcd") is None,
    reason="no kube-apiserver and etcd: run .ci/kube/build (five minutes, once), apt-get install etcd-server",
)


@dataclass
class ApiServer:
    """One that runs, in a folder of its own."""

    folder: Path
    authority: Authority = field(default_factory=Authority)
    port: int = 0
    etcd: int = 0
    _processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    _idle: list[http.client.HTTPSConnection] = field(default_factory=list)
    """Connections of the administrator that nobody uses."""
    _context: ssl.SSLContext | None = None

    @property
    def url(self) -> str:
        """Where it is asked."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def kubeconfig(self) -> Path:
        """That of the administrator."""
        return self.folder / "admin.kubeconfig"

    def access(self, name: str = "admin", group: str | None = "system:masters") -> Access:
        """How a user in a group finds it."""
        return Access(self.url, self.authority.certificate.decode(), pair=self.authority.pair(name, group))

    def write_kubeconfig(self, name: str, group: str | None = None) -> Path:
        """The kubeconfig of a user in a group."""
        pair = self.authority.pair(name, group)
        cluster = {"server": self.url, "certificate-authority-data": _base64(self.authority.certificate)}
        user = {"client-certificate-data": _base64(pair.certificate), "client-key-data": _base64(pair.key)}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "here",
            "clusters": [{"name": "here", "cluster": cluster}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": name}}],
            "users": [{"name": name, "user": user}],
        }
        path = self.folder / f"{name}.kubeconfig"
        path.write_text(json.dumps(document))
        return path

    @contextlib.contextmanager
    def connected(self) -> Iterator[http.client.HTTPSConnection]:
        """A connection of the administrator, kept for the next who asks: a handshake costs more than a request."""
        asking = self._idle.pop() if self._idle else self._connection()
        if asking.sock is not None and select.select([asking.sock], [], [], 0)[0]:
            asking.close()  # there is nothing that it could say by itself but that it has ended
        try:
            yield asking
        except BaseException:
            asking.close()
            raise
        self._idle.append(asking)

    def _connection(self) -> http.client.HTTPSConnection:
        if self._context is None:
            self._context = client_context(self.authority.certificate.decode())
            show(self._context, self.authority.pair("admin", "system:masters"))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self._context)

    def log(self, name: str = "kube-apiserver") -> str:
        """What a program has written."""
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def start_etcd(self) -> None:
        """Start what it keeps everything in."""
        peer, client = (f"http://127.0.0.1:{port}" for port in (free_port(), self.etcd))
        self._start(
            "etcd",
            *(f"--data-dir={self.folder / 'etcd'}", f"--listen-client-urls={client}"),
            *(f"--advertise-client-urls={client}", f"--listen-peer-urls={peer}"),
            *(f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}", "--logger=zap"),
            "--unsafe-no-fsync",  # what it keeps need not outlive the machine
        )

    def start(self, extra: Sequence[str] = ()) -> None:
        """Start the API server itself."""
        serving, accounts = self.authority.pair("kube-apiserver"), self.folder / "accounts.key"
        for name, content in (("tls.crt", serving.certificate), ("tls.key", serving.key)):
            (self.folder / name).write_bytes(content)
        (self.folder / "ca.crt").write_bytes(self.authority.certificate)
        if not accounts.exists():
            accounts.write_bytes(written(rsa.generate_private_key(public_exponent=65537, key_size=2048)))
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self.etcd}",
            *("--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"),
            *(f"--secure-port={self.port}", f"--tls-cert-file={self.folder / 'tls.crt'}"),
            *(f"--tls-private-key-file={self.folder / 'tls.key'}", f"--client-ca-file={self.folder / 'ca.crt'}"),
            *("--authorization-mode=RBAC", "--service-cluster-ip-range=10.96.0.0/24"),
            *("--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={accounts}"),
            f"--service-account-signing-key-file={accounts}",
            *extra,
        )

    def start_controllers(self) -> None:
        """Start what makes ReplicaSets of Deployments, Pods of those, and the like."""
        name = "system:kube-controller-manager"
        self._start(
            "kube-controller-manager",
            f"--kubeconfig={self.write_kubeconfig(name)}",
            *("--leader-elect=false", "--bind-address=127.0.0.1", f"--secure-port={free_port()}"),
            *("--use-service-account-credentials=true", f"--root-ca-file={self.folder / 'ca.crt'}"),
            f"--service-account-private-key-file={self.folder / 'accounts.key'}",
        )

    def _start(self, name: str, *arguments: str) -> None:
        # They end with this process, even where that is killed (setpriv of util-linux).
        tied = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                [*tied, "nice", "-n", "10", program(name) or name, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                cwd=self.folder,
            )

    def stop(self, name: str) -> None:
        """End a program as it wants to end."""
        process = self._processes.pop(name)
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """End all of them at once: what they keep is nobody's any more."""
        while self._idle:
            self._idle.pop().close()
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()

    def rest(self) -> None:
        """Take no time of the processors until `wake`: nobody asks."""
        while self._idle:
            self._idle.pop().close()  # it would have ended by then
        self._tell(signal.SIGSTOP)

    def wake(self) -> None:
        """Go on, as if no time had passed."""
        self._tell(signal.SIGCONT)

    def _tell(self, what: signal.Signals) -> None:
        for process in self._processes.values():
            process.send_signal(what)

    def until_ready(self) -> None:
        """Wait until it answers; raises AssertionError with the end of its log."""
        until = time.monotonic() + READY
        while self._processes["kube-apiserver"].poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError, http.client.HTTPException), self.connected() as asking:
                asking.request("GET", "/readyz")
                answer = asking.getresponse()
                answer.read()
                if answer.status == http.HTTPStatus.OK:
                    return
            time.sleep(0.05)
        raise AssertionError(f"kube-apiserver is not ready:\n{self.log()[-3000:]}")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


@contextlib.contextmanager
def started(folder: Path, *, has_controllers: bool = False, extra: Sequence[str] = ()) -> Iterator[ApiServer]:
    """A server with an empty cluster; `extra` are more arguments of kube-apiserver."""
    server = ApiServer(folder, port=free_port(), etcd=free_port())
    server.write_kubeconfig("admin", "system:masters")
    try:
        server.start_etcd()
        server.start([*extra, *([] if has_controllers else ["--disable-admission-plugins=ServiceAccount"])])
        server.until_ready()
        if has_controllers:
            server.start_controllers()
        yield server
    finally:
        server.kill()
