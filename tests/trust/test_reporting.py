"""`gatecrier trust`: what is told of whom a configuration trusts, and what asking anew comes to."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.cli import main
from router.trust.refreshing import OLD
from tests.simulators.aside import aside
from tests.trust.repository import OwnRepository, Server, serving
from tests.trust.test_updating import DATA, FIRST, SECOND

STORE = DATA.parent / "keys" / "notation-ec-ca.pem"
ALICE = {"name": "alice", "issuer": "https://accounts.shop.example", "subject": "alice@shop.example"}


@pytest.fixture
def own() -> OwnRepository:
    return OwnRepository(FIRST)


@pytest.fixture
def server(own: OwnRepository) -> Iterator[Server]:
    with aside(serving(own.files)) as one:
        yield one


def written(folder: Path, own: OwnRepository, url: str, **more: object) -> str:
    """A configuration whose verifiers use a repository, a file and keys."""
    (folder / "tuf-root.json").write_bytes(own.beginning)
    (folder / "other.json").write_bytes(SECOND)
    key = (DATA / "keys" / "release.pub").read_text()
    settings = {
        "cluster": "test",
        "outbox": {"url": "sqlite:///outbox.db"},
        "trust_roots": [
            {"name": "own", "tuf": {"url": url, "root": "tuf-root.json"}},
            {"name": "spare", "file": "other.json"},
        ],
        "verifiers": [
            {"name": "shop", "kind": "cosign", "keyless": [ALICE], "trust_root": "own"},
            {"name": "keys", "kind": "cosign", "keys": [{"name": "release", "pem": key}]},
        ],
    } | more
    path = folder / "gatecrier.yaml"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def told(capsys: pytest.CaptureFixture[str], command: str, config: str, *options: str) -> tuple[int, str, str]:
    code = main(["trust", command, "--config", config, *options])
    out, err = capsys.readouterr()
    return code, out, err


def test_what_is_trusted_is_shown_with_its_dates(
    own: OwnRepository, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, own, server.url)
    code, out, err = told(capsys, "show", config)

    assert (code, err) == (1, "own: nothing is known of it yet; run `gatecrier trust refresh`\n")
    assert "trusted root own: unknown" in out

    assert told(capsys, "refresh", config) == (0, f"own: confirmed by {server.url}\n", "")
    code, out, err = told(capsys, "show", config)

    assert (code, err) == (0, "")
    for words in (
        "used by shop",
        "from its repository",
        "certificate authority: CN=",
        "transparency log rekor",
        "timestamp authority: CN=",
        "certificate log",
        ", since 20",
        ", until 20",
        "trusted root spare: sha256:",
        "used by no verifier",
        "verifier keys:\n  key release: sha256:",
    ):
        assert words in out, out


def test_the_same_is_one_array_for_programs(
    own: OwnRepository, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, own, server.url)
    code, out, _ = told(capsys, "refresh", config, "--json")
    (outcome,) = json.loads(out)

    assert (code, outcome["name"], outcome["cause"]) == (0, "own", None)

    code, out, _ = told(capsys, "show", config, "--json")
    shown: list[Any] = json.loads(out)
    root, spare, shop, keys = shown

    assert (code, [one["kind"] for one in shown]) == (0, ["trust_root"] * 2 + ["verifier"] * 2)
    assert (root["origin"], spare["origin"], root["used_by"]) == ("repository", "file", ["shop"])
    assert root["since"] == outcome["confirmed_at"]
    assert (shop["trust_root"], keys["trust_root"]) == (server.url, None)
    assert [one["kind"] for one in keys["holds"]] == ["key"]


def test_asking_in_vain_is_told_apart_from_being_lied_to(
    own: OwnRepository, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, own, server.url)
    timestamp = own.files.pop("timestamp.json")
    code, _, err = told(capsys, "refresh", config)

    assert (code, err[:17]) == (3, "own: unreachable:")

    own.files["timestamp.json"] = timestamp.replace(b'"version":1', b'"version":2')
    code, _, err = told(capsys, "refresh", config)

    assert (code, err[:13]) == (1, "own: refused:")

    code, out, _ = told(capsys, "refresh", config, "--json")
    assert (code, json.loads(out)[0]["cause"]) == (1, "refused")


def test_what_was_kept_is_shown_until_something_newer_comes(
    own: OwnRepository, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, own, server.url)
    told(capsys, "refresh", config)
    before = json.loads(told(capsys, "show", config, "--json")[1])[0]
    own.files.clear()
    told(capsys, "refresh", config)

    assert json.loads(told(capsys, "show", config, "--json")[1])[0] == before


def test_the_public_good_root_comes_with_the_package_and_is_shown_where_it_is_used(
    own: OwnRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    verifier = {"name": "open", "kind": "cosign", "keyless": [ALICE]}
    config = written(tmp_path, own, "https://tuf.example", trust_roots=[], verifiers=[verifier])
    (root, _) = json.loads(told(capsys, "show", config, "--json")[1])

    assert (root["name"], root["origin"], root["used_by"]) == ("public-good", "shipped", ["open"])
    assert "rekor.sigstore.dev" in {one["name"] for one in root["holds"]}


def test_a_root_that_nobody_has_confirmed_for_a_year_is_a_no(
    own: OwnRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = {"name": "open", "kind": "cosign", "keyless": [ALICE]}
    config = written(tmp_path, own, "https://tuf.example", trust_roots=[], verifiers=[verifier])
    shipped = dt.datetime.fromisoformat(json.loads(told(capsys, "show", config, "--json")[1])[0]["since"])
    monkeypatch.setattr("router.cli.trust.time.time", lambda: shipped.timestamp() + OLD)
    code, _, err = told(capsys, "show", config)

    assert (code, "nobody has confirmed it since" in err) == (1, True)


def test_where_no_repository_is_used_there_is_nothing_to_ask(
    own: OwnRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, own, "https://tuf.example", trust_roots=[], verifiers=[])

    assert told(capsys, "refresh", config) == (0, "no trusted root comes from a repository\n", "")
    assert told(capsys, "show", config) == (0, "no verifier trusts anybody\n", "")
    assert told(capsys, "show", config, "--json") == (0, "[]\n", "")


@pytest.mark.parametrize("command", ["show", "refresh"])
def test_a_configuration_that_can_not_be_read_leaves_everything_open(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = told(capsys, command, str(tmp_path / "gone.yaml"))

    assert (code, out) == (3, "")
    assert "can't be read" in err


def test_stores_of_certificates_are_shown_and_those_that_have_ended_are_a_no(
    own: OwnRepository, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {"name": "supplier", "type": "ca", "file": str(STORE)}
    verifier = {"name": "n", "kind": "notation", "trust_stores": [store], "identities": ["*"]}
    config = written(tmp_path, own, "https://tuf.example", trust_roots=[], verifiers=[verifier])
    code, out, _ = told(capsys, "show", config)

    assert (code, "certificate supplier: " in out) == (0, True)

    monkeypatch.setattr("router.cli.trust.time.time", lambda: 1e11)
    assert told(capsys, "show", config)[0] == 1


def test_what_a_certificate_is_called_obeys_no_terminal() -> None:
    from router.cli.trust import _anchor_line
    from router.verification.anchors import Anchor

    shown = _anchor_line(Anchor("certificate", "a\nb", "CN=\x1b[31mred"))

    assert shown == "  certificate a\\nb: CN=\\u001b[31mred"
