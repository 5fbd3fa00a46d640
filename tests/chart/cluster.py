"""A real API server with the chart in it: who asks as whom, a webhook that writes down who called, and what was done.

There are no controllers and no nodes: what is created stays as it was written. Requests are sent as the administrator
unless somebody is named, who is then impersonated.
"""

from __future__ import annotations

import base64
import contextlib
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from router.tls import show
from tests.chart.helm import CHART, IMAGE
from tests.chart.schemas import CRDS
from tests.patience import PATIENCE
from tests.simulators.kube_apiserver import ApiServer, program, started

Json = dict[str, Any]
AUDIT = """
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, verbs: [get, list, watch]}
  - {level: Metadata}
"""
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC = f"/apis/{RBAC_GROUP}/v1"
REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"

CLUSTER_WIDE = [
    f"{ADMISSION}/validatingwebhookconfigurations",
    f"{ADMISSION}/mutatingwebhookconfigurations",
    f"{ADMISSION}/validatingadmissionpolicies",
    f"{ADMISSION}/validatingadmissionpolicybindings",
    "/apis/scheduling.k8s.io/v1/priorityclasses",
    f"{RBAC}/clusterroles",
    f"{RBAC}/clusterrolebindings",
]
"""Where what the chart makes of no namespace lies, webhook configurations first."""


class Answer(NamedTuple):
    """What the API server said."""

    status: int
    body: Json
    warnings: Sequence[str] = ()
    """As headers hold them."""

    @property
    def message(self) -> str:
        """Why not; empty where it was done."""
        return str(self.body.get("message", "")) if self.status >= 400 else ""


@dataclass
class Cluster:
    """A running one."""

    server: ApiServer

    def ask(self, method: str, path: str, body: Json | None = None, *, as_user: str | None = None) -> Answer:
        """One request; of a PATCH the body is a merge patch."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"Content-Type": kind, **({"Impersonate-User": as_user} if as_user else {})}
        with self.server.connected() as asking:
            asking.request(method, path, None if body is None else json.dumps(body), headers)
            answer = asking.getresponse()
            warnings = answer.headers.get_all("Warning", [])
            said = answer.read()
            is_object = answer.headers.get_content_type() == "application/json"
            return Answer(answer.status, json.loads(said) if is_object else {"message": said.decode()}, warnings)

    def must(self, method: str, path: str, body: Json | None = None) -> Json:
        """The same, which has to succeed."""
        answer = self.ask(method, path, body)
        assert answer.status < 400, f"{method} {path}: {answer.message}"
        return answer.body

    def settle(self, path: str) -> None:
        """Wait until the API server remembers an object as it is.

        A change of what it remembers otherwise is reviewed, refused by the storage, and reviewed again.
        """
        wanted = self.must("GET", path)["metadata"]["resourceVersion"]
        until(lambda: self.ask("GET", f"{path}?resourceVersion=0").body["metadata"]["resourceVersion"] == wanted)

    def namespace(self, name: str, **labels: str) -> None:
        """Make a namespace with these labels, `mode` being the one of ours; one that is there has no others then."""
        named = {"gatecrier.dev/mode": labels.pop("mode")} if "mode" in labels else {}
        body = {"metadata": {"name": name, "labels": {**named, **labels}}}
        if self.ask("POST", "/api/v1/namespaces", body).status == 409:
            self.must("PUT", f"/api/v1/namespaces/{name}", body)

    def bind(self, user: str, role: str, namespace: str | None = None) -> None:
        """Let somebody do what a ClusterRole allows, everywhere or in a namespace; returns when they may."""
        where = f"{RBAC}/clusterrolebindings" if namespace is None else f"{RBAC}/namespaces/{namespace}/rolebindings"
        binding = {
            "metadata": {"name": f"gatecrier-{user}-{role}"},  # `emptied` knows it by its beginning
            "roleRef": {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": RBAC_GROUP, "kind": "User", "name": user}],
        }
        self.must("POST", where, binding)
        rules = [one for one in self.must("GET", f"{RBAC}/clusterroles/{role}")["rules"] if "resources" in one]
        until(lambda: all(self._may(user, rule, namespace) for rule in rules))

    def _may(self, user: str, rule: Json, namespace: str | None) -> bool:
        """Whether the API server lets somebody do the first thing of a rule."""
        names = {"verb": "verbs", "group": "apiGroups", "resource": "resources", "name": "resourceNames"}
        asked = {name: rule[field][0] for name, field in names.items() if rule.get(field)}
        spec = {"user": user, "resourceAttributes": {**asked, "namespace": namespace or ""}}
        return bool(self.must("POST", REVIEWS, {"spec": spec})["status"]["allowed"])

    def helm(self, *arguments: str, values: Mapping[str, Any] | None = None) -> str:
        """Run Helm in this cluster and in our namespace; returns what it says."""
        command = [program("helm") or "helm", *arguments, "--namespace", "gatecrier"]
        given = yaml.safe_dump({"image": IMAGE, **(values or {})})
        done = subprocess.run(
            [*command, "--kubeconfig", str(self.server.kubeconfig)],
            input=given, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    def define(self) -> None:
        """Let it know the kinds of cert-manager and of Prometheus' operator, unless it does already."""
        for crd in CRDS:
            answer = self.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", crd)
            assert answer.status in {201, 409}, answer.message
        served = [f"/apis/{crd['spec']['group']}/v1/{crd['spec']['names']['plural']}" for crd in CRDS]
        until(lambda: all(self.ask("GET", path).status == 200 for path in served))

    def install(self, values: Mapping[str, Any] | None = None, verb: str = "install") -> str:
        """Install the chart, or upgrade it."""
        return self.helm(verb, "gatecrier", str(CHART), "--values", "-", values=values)

    def done(self) -> list[tuple[str, str]]:
        """What was written until now, in order: verb and path."""
        lines = (self.server.folder / "audit.log").read_text().splitlines()
        return [(line["verb"], line["requestURI"].partition("?")[0]) for line in map(json.loads, lines)]


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """An empty one."""
    (folder / "audit.yaml").write_text(AUDIT)
    extra = [f"--audit-policy-file={folder / 'audit.yaml'}", f"--audit-log-path={folder / 'audit.log'}"]
    with started(folder, extra=[*extra, "--audit-log-mode=blocking"]) as server:
        yield Cluster(server)


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[Cluster]:
    """One with the namespace that ours is to be."""
    with cluster(folder) as made:
        made.namespace("gatecrier", **{"pod-security.kubernetes.io/enforce": "restricted"})
        yield made


@contextlib.contextmanager
def emptied(made: Cluster, *namespaces: str) -> Iterator[None]:
    """A cluster that others use, too, in which there is nothing of ours and none of these namespaces before, nor after.

    Namespaces take a while to go: they are told to in the end, and waited for by the next who comes.
    """
    gone = [f"/api/v1/namespaces/{name}" for name in ("gatecrier", *namespaces)]
    until(lambda: {made.ask("GET", path).status for path in gone} == {404})
    try:
        yield
    finally:
        for path in CLUSTER_WIDE:
            for one in made.must("GET", path)["items"]:
                if one["metadata"]["name"].startswith("gatecrier"):
                    made.must("DELETE", f"{path}/{one['metadata']['name']}")
        for path in gone:
            made.ask("DELETE", path)


def lead(made: Cluster, port: int) -> None:
    """Let the webhooks of the chart lead to a port of loopback: there is nobody who would know a Service."""
    authority = base64.b64encode(made.server.authority.certificate).decode()
    for kind in ("validating", "mutating"):
        path = f"{ADMISSION}/{kind}webhookconfigurations/gatecrier"
        found = made.must("GET", path)
        for webhook in found["webhooks"]:
            asked = webhook["clientConfig"].pop("service")["path"]
            webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{asked}", "caBundle": authority}
        made.must("PUT", path, found)


def until(check: Callable[[], object]) -> None:
    """Ask again until it is so: an API server takes some milliseconds to go by what was written."""
    end = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < end, f"not so within {PATIENCE:.0f} s"
        time.sleep(0.05)


@dataclass
class Witness:
    """A webhook that admits everything and writes down what it was called for."""

    cluster: Cluster
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, operation and name of the namespace."""
    _server: ThreadingHTTPServer | None = None

    def paths(self, act: Callable[[], Answer]) -> list[str]:
        """Who is called while something is done, which has to succeed.

        Each is named once: the API server repeats a PATCH, and its reviews, where what it remembered was out of date.
        """
        before = len(self.calls)
        answer = act()
        assert answer.status < 400, answer.message
        return sorted({path for path, _, _ in self.calls[before:]})

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the place of Gatecrier in its webhook configurations."""
        witness = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                asked = review["request"]
                witness.calls.append((self.path.partition("?")[0], asked["operation"], asked.get("namespace", "")))
                reply = {**review, "response": {"uid": asked["uid"], "allowed": True}}
                body = json.dumps({key: reply[key] for key in ("apiVersion", "kind", "response")}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        show(context, self.cluster.server.authority.pair("witness"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        thread.start()
        try:
            lead(self.cluster, self._server.server_address[1])
            yield
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()
