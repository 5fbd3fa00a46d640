"""Configurations for tests: the example of the contract beside the files that it names."""

from __future__ import annotations

import shutil
from pathlib import Path

from router.settings.loading import Loaded, Refused, attempt

DATA = Path(__file__).parent.parent / "data" / "config"
ENVIRONMENT = {"SYSDIG_TOKEN": "hush-token", "SIEM_SECRET": "whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"}
PLACEHOLDER = "          MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE..."
SMALL = """\
cluster: test
webhook: {listen: "127.0.0.1:8443", tls: self-signed}
operations: {listen: "127.0.0.1:9090"}
outbox: {url: "sqlite:///outbox.db"}
policy: [{pattern: "**", verifier: deny}]
destinations: [{name: archive, kind: file, path: events.jsonl}]
routes: {destinations: [archive]}
"""
"""The least that a configuration needs."""


def example() -> str:
    """The example of the contract, with a real key in place of its placeholder, and tags pinned."""
    key = (DATA / "release.pub").read_text().splitlines()[1:-1]
    text = (DATA / "example.yaml").read_text()

    assert PLACEHOLDER in text
    text = text.replace("pin_digests: false", "pin_digests: true")
    return text.replace(PLACEHOLDER, "\n".join(f"          {line}" for line in key))


def written(folder: Path, text: str) -> Path:
    """The configuration in a folder that has every file that the example names."""
    for file in DATA.iterdir():
        shutil.copy(file, folder / file.name)
    path = folder / "gatecrier.yaml"
    path.write_text(text)
    return path


def tried(folder: Path, text: str) -> Loaded | Refused:
    """What becomes of this configuration."""
    return attempt(written(folder, text), ENVIRONMENT)


def refused(folder: Path, text: str) -> str:
    """Why this configuration is refused."""
    result = tried(folder, text)

    assert isinstance(result, Refused)
    return result.text


def loaded(folder: Path, text: str) -> Loaded:
    """This configuration, which must be a good one."""
    result = tried(folder, text)

    assert isinstance(result, Loaded), result.text
    return result
