"""The real `docker-registry`, started on a free port of loopback: open, with htpasswd, and with tokens.

The fixtures are for the whole run of a worker; tests push into repositories of their own. Where the program is not
installed (`apt-get install docker-registry`) the tests are skipped with that reason.
"""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import ssl
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NotRequired, TypedDict

import bcrypt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from router.images import Digest, ImageReference, parse_reference
from router.registry import RegistrySettings
from tests.simulators.certificates import self_signed
from tests.simulators.registry import MANIFEST

USER, PASSWORD = "gatecrier", "open sesame"
_SERVICE, _ISSUER = "docker-registry", "test token service"
_FOR_EVER = 2**31


class Entry(TypedDict):
    """An entry of a layout's index.json."""

    digest: str
    mediaType: str
    annotations: NotRequired[dict[str, str]]


@dataclass
class DockerRegistry:
    """A running docker-registry."""

    host: str
    authorization: str | None = None
    """What pushing needs."""

    @property
    def settings(self) -> RegistrySettings:
        """How the router is told of this registry: plain HTTP, anonymous."""
        return RegistrySettings(host=self.host, plain_http=True)

    def image(self, text: str) -> ImageReference:
        """A reference into this registry, such as `shop/web:1`."""
        return parse_reference(f"{self.host}/{text}")

    def push_blob(self, repository: str, body: bytes) -> Digest:
        """Upload a blob in one piece."""
        digest = Digest.of(body)
        location = self._send("POST", f"http://{self.host}/v2/{repository}/blobs/uploads/", b"")
        glue = "&" if "?" in location else "?"
        self._send("PUT", f"{location}{glue}digest={digest}", body, "application/octet-stream")
        return digest

    def push_manifest(self, repository: str, body: bytes, media_type: str, reference: str) -> Digest:
        """Upload a manifest by tag or digest."""
        self._send("PUT", f"http://{self.host}/v2/{repository}/manifests/{reference}", body, media_type)
        return Digest.of(body)

    def push_image(self, repository: str, tag: str, text: str = "an image") -> Digest:
        """A small image whose digest depends on `text`."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "comment": text}).encode()
        digest = self.push_blob(repository, config)
        described = {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": str(digest),
            "size": len(config),
        }
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": []}
        return self.push_manifest(repository, json.dumps(manifest).encode(), MANIFEST, tag)

    def push_layout(self, layout: Path, repository: str) -> None:
        """Upload an OCI layout: its blobs, then its manifests, children before the index that lists them."""
        waiting: list[Entry] = json.loads((layout / "index.json").read_bytes())["manifests"]
        listed = {entry["digest"] for entry in waiting}
        for path in sorted((layout / "blobs").glob("*/*")):
            if f"{path.parent.name}:{path.name}" not in listed:
                self.push_blob(repository, path.read_bytes())
        for _ in range(len(waiting)):
            waiting = [entry for entry in waiting if not self._push_entry(layout, repository, entry)]
        if waiting:
            raise AssertionError(f"docker-registry refuses {[entry['digest'] for entry in waiting]}")

    def _push_entry(self, layout: Path, repository: str, entry: Entry) -> bool:
        body = (layout / "blobs" / entry["digest"].replace(":", "/", 1)).read_bytes()
        tag = entry.get("annotations", {}).get("org.opencontainers.image.ref.name")
        try:
            for reference in filter(None, (entry["digest"], tag)):
                self.push_manifest(repository, body, entry["mediaType"], reference)
        except urllib.error.HTTPError as error:  # perhaps a child that is not there yet
            error.close()
            return False
        return True

    def _send(self, method: str, url: str, body: bytes, media_type: str = "") -> str:
        headers = {"Content-Type": media_type} if media_type else {}
        if self.authorization is not None:
            headers["Authorization"] = self.authorization
        request = urllib.request.Request(url, data=body, method=method, headers=headers)  # noqa: S310 - loopback
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - loopback
            return str(reply.headers.get("Location", ""))


@dataclass
class TokenServer:
    """The token service of a docker-registry: RS256 tokens that carry their certificate in `x5c`."""

    key: rsa.RSAPrivateKey
    certificate: bytes
    calls: list[str] = field(default_factory=list)
    """The scope of every call, in order."""

    def token(self, scope: str) -> str:
        """A token for a scope such as `repository:shop/web:pull`."""
        access = []
        if scope:
            kind, name, actions = scope.split(":")
            access = [{"type": kind, "name": name, "actions": actions.split(",")}]
        der = ssl.PEM_cert_to_DER_cert(self.certificate.decode())
        header = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        claims = {"iss": _ISSUER, "sub": USER, "aud": _SERVICE, "exp": _FOR_EVER, "nbf": 0, "iat": 0, "jti": "1"}
        signed = b".".join(_base64url(json.dumps(part).encode()) for part in (header, claims | {"access": access}))
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _base64url(signature)).decode()

    def answer(self, path: str, authorization: str | None) -> tuple[int, bytes]:
        """Status and body for a call by our one user."""
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query)
        scope = query.get("scope", [""])[0]
        self.calls.append(scope)
        if authorization != basic(USER, PASSWORD):
            return 401, b'{"details":"incorrect username or password"}'
        return 200, json.dumps({"token": self.token(scope), "expires_in": 300}).encode()


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def docker_config(folder: Path, host: str, password: str = PASSWORD) -> Path:
    """A docker `config.json` with our one user."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    path = folder / "docker-config.json"
    path.write_text(json.dumps({"auths": {host: {"auth": auth}}}))
    return path


def _base64url(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


@contextlib.contextmanager
def _running(folder: Path, auth: Mapping[str, object] | None = None) -> Iterator[str]:
    """Start the program; gives its host and port, as its log tells them."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed (Debian: apt-get install docker-registry)")
    config = {
        "version": 0.1,
        "log": {"level": "info", "formatter": "json", "accesslog": {"disabled": True}},
        "storage": {"filesystem": {"rootdirectory": str(folder / "storage")}},
        "http": {"addr": "127.0.0.1:0", "relativeurls": False},
    }
    (folder / "config.yml").write_text(json.dumps(config | ({"auth": auth} if auth else {})))
    command = [program, "serve", str(folder / "config.yml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            said = []
            for line in process.stderr:
                said.append(line)
                if "listening on" in line:
                    break
            else:
                raise AssertionError(f"docker-registry does not start: {said}")
            draining = threading.Thread(target=process.stderr.read, daemon=True)
            draining.start()
            yield json.loads(line)["msg"].removeprefix("listening on ")
        finally:
            process.terminate()
            process.wait()
            draining.join()


@pytest.fixture(scope="session")
def open_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """Anybody may pull and push."""
    with _running(tmp_path_factory.mktemp("open-registry")) as host:
        yield DockerRegistry(host)


@pytest.fixture(scope="session")
def htpasswd_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerRegistry]:
    """Basic authentication against a bcrypt htpasswd file."""
    folder = tmp_path_factory.mktemp("htpasswd-registry")
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{USER}:{hashed}\n")
    auth = {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}
    with _running(folder, auth) as host:
        yield DockerRegistry(host, basic(USER, PASSWORD))


@dataclass
class TokenRegistry:
    """A docker-registry and its token service."""

    registry: DockerRegistry
    service: TokenServer

    def push_image(self, repository: str, tag: str) -> Digest:
        """Push as somebody who may."""
        self.registry.authorization = f"Bearer {self.service.token(f'repository:{repository}:pull,push')}"
        return self.registry.push_image(repository, tag)


@pytest.fixture(scope="session")
def token_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TokenRegistry]:
    """Bearer authentication by a token service."""
    folder = tmp_path_factory.mktemp("token-registry")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = self_signed(key).certificate
    (folder / "bundle.pem").write_bytes(certificate)
    service = TokenServer(key, certificate)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = service.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    realm = f"http://127.0.0.1:{server.server_address[1]}/token"
    auth = {
        "token": {"realm": realm, "service": _SERVICE, "issuer": _ISSUER, "rootcertbundle": str(folder / "bundle.pem")}
    }
    try:
        with _running(folder, auth) as host:
            yield TokenRegistry(DockerRegistry(host), service)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
