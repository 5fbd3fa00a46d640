"""`gatecrier scan`, against an API server and a registry in memory, with images that real tools have signed."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from router.cli import main
from router.cli.demo.world import free_port
from router.outbox import schema
from router.replicas import handing_in
from router.replicas.identity import keep
from router.replicas.naming import identity_file
from tests.replicas.stage import known_by
from tests.scanning.stage import pod
from tests.simulators.aside import aside
from tests.simulators.certificates import self_signed
from tests.simulators.kubernetes import KubernetesSimulator
from tests.simulators.registry import RegistrySimulator
from tests.verification.world import DATA

pytestmark = pytest.mark.usefixtures("_log_of_the_test")
PODS = "/api/v1/namespaces/{}/pods"


@dataclass
class World:
    """An API server and a registry, and a configuration that knows both."""

    folder: Path
    api: KubernetesSimulator
    registry: RegistrySimulator
    ask: Callable[..., tuple[int, str, str]]

    def digest(self, name: str) -> str:
        """What the tag v1 of a repository means."""
        of_tag = self.registry.manifests[name, "v1"]
        return next(key for (repository, key), one in self.registry.manifests.items()
                    if repository == name and one == of_tag and key.startswith("sha256:"))  # fmt: skip

    def run(self, name: str, image: str, namespace: str = "shop", pods: int = 1) -> None:
        """Have Pods of an image run."""
        text = f"{self.registry.host}/{image}:v1"
        for number in range(pods):
            one = pod(
                f"{name}-{number}", (text, f"{self.registry.host}/{image}@{self.digest(image)}"), namespace=namespace
            )
            self.api.put(PODS.format(namespace), one)


@pytest.fixture
def world(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[World]:
    certificate = self_signed()
    api, registry = KubernetesSimulator(token="secret"), RegistrySimulator()
    registry.load_layout(DATA / "layouts" / "bundle-release", "signed")
    registry.add_image("unsigned", "v1")
    with aside(api.running(certificate.server_context(tmp_path))), aside(registry.running()):
        (tmp_path / "kubeconfig").write_text(json.dumps(api.kubeconfig(certificate.certificate)))
        yield configured(tmp_path, api, registry, capsys)


def configured(
    folder: Path, api: KubernetesSimulator, registry: RegistrySimulator, capsys: pytest.CaptureFixture[str]
) -> World:
    config = {
        "cluster": "test",
        "kubernetes": {"api": {"kubeconfig": "kubeconfig"}},
        "outbox": {"url": "sqlite:///outbox.db"},
        "registries": [{"host": registry.host, "plain_http": True}],
        "verifiers": [
            {"name": "shop", "kind": "cosign", "keys": [{"name": "r", "file": str(DATA / "keys/release.pub")}]}
        ],
        "policy": [{"pattern": "**", "verifier": "shop"}],
        "routes": {"destinations": ["siem"], "about": ["decisions", "scan"]},
    }
    path = folder / "gatecrier.yaml"
    path.write_text(json.dumps(config))

    def ask(*arguments: str) -> tuple[int, str, str]:
        code = main([*arguments, "--config", str(path)])
        out, err = capsys.readouterr()
        return code, out, err

    return World(folder, api, registry, ask)


def found(world: World, *arguments: str) -> tuple[int, dict[str, Any]]:
    code, out, _ = world.ask("scan", "--json", *arguments)
    return code, {one["owner"]["name"]: one for one in json.loads(out)}


def test_what_runs_is_judged_by_the_digest_that_runs(world: World) -> None:
    world.run("good", "signed")
    code, scanned = found(world)
    assert (code, scanned["good-0"]["verdict"]) == (0, "verified")
    world.run("bad", "unsigned")
    code, scanned = found(world)

    assert (code, scanned["bad-0"]["verdict"], scanned["bad-0"]["would_reject"]) == (1, "unsigned", True)


def test_people_are_told_what_would_be_refused_and_the_next_step(world: World) -> None:
    world.run("bad", "unsigned", pods=2)
    code, out, err = world.ask("scan")

    assert code == 1
    assert "shop/Pod/bad-0" in out
    assert f"Sign it with: cosign sign --key ... {world.registry.host}/unsigned@{world.digest('unsigned')}" in out
    assert "2 Pods in 1 namespaces run 1 images: 2 would be refused" in out
    assert "there is no outbox" in err


def test_an_image_is_verified_once_however_many_pods_run_it(world: World) -> None:
    world.run("good", "signed", pods=1)
    world.ask("scan")
    once = len(world.registry.requests)
    world.registry.requests.clear()
    world.run("good", "signed", pods=300)
    code, out, _ = world.ask("scan", "--json")

    assert (code, len(json.loads(out))) == (0, 300)
    assert len(world.registry.requests) == once


def test_so_many_images_take_so_many_verifications_whoever_runs_them(world: World) -> None:
    """Exactly: of 200 Pods in twenty namespaces, of seven images."""
    for number in range(6):
        world.registry.add_image(f"app{number}", "v1", f"image {number}")
    names = ["signed", *(f"app{number}" for number in range(6))]
    for number in range(200):
        world.run(f"web-{number}", names[number % 7], f"team-{number % 20}")
    world.ask("scan")
    asked = Counter(one for one in world.registry.requests if "/referrers/" in one)

    assert list(asked.values()) == [1] * 7
    assert {f"/{world.digest(name)}" for name in names} == {f"/{one.rpartition('/')[2]}" for one in asked}


def test_what_has_no_repository_digest_can_not_be_told(world: World) -> None:
    world.api.put(PODS.format("shop"), pod("loaded", (f"{world.registry.host}/signed:v1", "sha256:" + "c" * 64)))
    code, scanned = found(world)

    assert (code, scanned["loaded"]["is_unknown"], scanned["loaded"]["reason"]) == (3, True, "no_digest")


def test_what_is_refused_whatever_its_digest_needs_none(world: World) -> None:
    """A rule that denies, or none, says so of an image that was loaded by hand, too; what it may be is no moved tag."""
    world.api.put(PODS.format("shop"), pod("loaded", (f"{world.registry.host}/signed:v1", "sha256:" + "c" * 64)))
    path = world.folder / "gatecrier.yaml"
    denied = json.loads(path.read_text()) | {"policy": [{"pattern": "**", "verifier": "deny"}]}
    path.write_text(json.dumps(denied))
    code, scanned = found(world)
    text = world.ask("scan")[1]

    assert (code, scanned["loaded"]["is_unknown"], scanned["loaded"]["reason"]) == (1, False, "static_deny")
    assert "1 would be refused, 0 could not be told" in text
    assert "another digest" not in text


def test_a_tag_that_has_moved_on_is_told_and_is_no_failure(world: World) -> None:
    world.run("good", "signed")
    runs = world.digest("signed")
    world.registry.add_image("signed", "v1", "another")
    code, scanned = found(world)
    text = world.ask("scan")[1]

    assert (code, scanned["good-0"]["severity"], scanned["good-0"]["digest"]) == (0, "info", runs)
    assert scanned["good-0"]["tag_digest"] not in {None, runs}
    assert "runs another digest than its tag means now" in text


def test_what_was_found_is_kept_for_readiness_and_told(world: World) -> None:
    schema.prepare(world.folder / "outbox.db")
    world.run("bad", "unsigned")
    world.ask("scan")
    (one,) = json.loads(world.ask("readiness", "shop", "--json")[1])
    (told,) = json.loads(world.ask("deliveries", "list", "--json")[1])

    assert one["state"] == "not_ready"
    assert "not_scanned" not in {missing["code"] for missing in one["not_known"]} or one["watched_since"] is None
    assert one["would_break"][0]["image"] == f"{world.registry.host}/unsigned:v1"
    assert told["destination"] == "siem"


def test_nothing_is_kept_where_that_is_said(world: World) -> None:
    schema.prepare(world.folder / "outbox.db")
    world.run("bad", "unsigned")
    world.ask("scan", "--no-record")

    assert json.loads(world.ask("readiness", "--json")[1]) == []


def at_another_replica(world: World) -> None:
    """The commands are asked where another replica is the collector."""
    path = world.folder / "gatecrier.yaml"
    collected = json.loads(path.read_text()) | {"incidents": {"collector": f"localhost:{free_port()}"}}
    path.write_text(json.dumps(collected))


def test_a_machine_that_is_no_replica_keeps_nothing_and_is_told_so(world: World) -> None:
    at_another_replica(world)
    world.run("good", "signed")
    code, _, err = world.ask("scan")

    assert code == 0
    assert "there is no outbox" in err
    assert "which is no replica beside localhost:" in err


def test_what_the_collector_can_not_be_handed_is_shown_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That something would be refused is known; that nothing would is of no use where nobody else gets to know it."""
    monkeypatch.setattr(handing_in, "WAITS", (0.0,))
    at_another_replica(world)
    keep(known_by(), identity_file(world.folder / "outbox.db"))
    world.run("good", "signed")
    good, out, err = world.ask("scan")
    world.run("bad", "unsigned")
    bad, _, _ = world.ask("scan")
    unrecorded, _, silent = world.ask("scan", "--no-record")

    assert "1 Pods in 1 namespaces run 1 images: 0 would be refused" in out
    assert "can't be asked" in err.splitlines()[0]
    assert err.splitlines()[0].endswith("trying again")
    assert err.splitlines()[1].startswith("nothing is kept of it: the collector localhost:")
    assert err.splitlines()[1].endswith("mend that and scan again")
    assert (good, bad, unrecorded, silent) == (3, 1, 1, "")


def test_a_replica_that_is_known_by_nothing_yet_says_so(world: World) -> None:
    at_another_replica(world)
    schema.prepare(world.folder / "outbox.db")
    world.run("good", "signed")
    code, _, err = world.ask("scan")

    assert code == 3
    assert "outbox.db.replica: No such file or directory; run the command where a replica runs" in err


def test_what_the_outbox_can_not_take_is_shown_all_the_same(world: World) -> None:
    with closing(sqlite3.connect(world.folder / "outbox.db")) as connection:
        connection.execute("PRAGMA user_version = 999")
    world.run("bad", "unsigned")
    code, out, err = world.ask("scan")

    assert (code, "shop/Pod/bad-0" in out) == (1, True)
    assert "nothing is kept of it" in err
    assert "is of version 999" in err


def test_lines_are_the_members_of_the_array(world: World) -> None:
    world.run("good", "signed", pods=2)
    _, array, _ = world.ask("scan", "--json")
    _, lines, _ = world.ask("scan", "--jsonl")

    assert json.loads(array) == [json.loads(line) for line in lines.splitlines()]


def test_only_one_namespace_is_asked_about(world: World) -> None:
    world.run("bad", "unsigned", namespace="other")
    world.run("good", "signed")

    assert found(world, "--namespace", "shop")[0] == 0


def test_a_namespace_in_which_nothing_runs_is_told_for_it_may_be_misspelt(world: World) -> None:
    world.run("good", "signed")
    code, out, err = world.ask("scan", "--namespace", "shop", "--namespace", "shpo", "--no-record")

    assert (code, err) == (3, "nothing runs in shpo, or there is no such namespace\n")
    assert "1 image" in out


def test_who_can_not_be_asked_leaves_it_open(world: World) -> None:
    world.api.token = "another"
    code, _, err = world.ask("scan")

    assert code == 3
    assert "listing pods" in err


def test_without_the_clusters_api_it_says_how_to_decide(world: World) -> None:
    path = world.folder / "gatecrier.yaml"
    config = json.loads(path.read_text())
    del config["kubernetes"]
    path.write_text(json.dumps(config))
    code, _, err = world.ask("scan")

    assert code == 3
    assert "kubectl get pods -A -o yaml | gatecrier check -" in err
