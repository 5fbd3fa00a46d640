"""Gatecrier behind a real API server, with the chart's own manifests: a namespace is switched by its label alone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.chart.cluster import Answer, Cluster, until
from tests.chart.helm import needs_helm
from tests.chart.product import Product, product
from tests.simulators.kube_apiserver import needs_api_server

pytestmark = [needs_helm, needs_api_server]
DIGEST = f"sha256:{'a' * 64}"
GOOD, BAD = f"registry.k8s.io/pause@{DIGEST}", f"registry.example/shop/web@{DIGEST}"
VALUES = {
    "tls": {"mode": "secret", "secret": {"caBundle": "LS0tLS1CRUdJTg=="}},
    "config": {
        "policy": [{"pattern": "registry.k8s.io/**", "verifier": "allow"}, {"pattern": "**", "verifier": "deny"}]
    },
}


@pytest.fixture
def running(bare: Cluster, tmp_path: Path) -> Iterator[tuple[Cluster, Product]]:
    """A cluster whose API server asks a product."""
    bare.install(VALUES)
    with product(bare, tmp_path) as found:
        bare.namespace("shop")
        until(lambda: create(bare, "probe", BAD, dry_run=True).warnings)
        yield bare, found


def create(made: Cluster, name: str, image: str, *, dry_run: bool = False) -> Answer:
    pod = {"metadata": {"name": name}, "spec": {"containers": [{"name": "web", "image": image}]}}
    return made.ask("POST", "/api/v1/namespaces/shop/pods" + ("?dryRun=All" if dry_run else ""), pod)


def label(made: Cluster, mode: str | None) -> None:
    patch = {"metadata": {"labels": {"gatecrier.dev/mode": mode}}}
    made.must("PATCH", "/api/v1/namespaces/shop", patch)


def test_a_namespace_goes_from_watched_to_enforced_and_back(running: tuple[Cluster, Product]) -> None:
    made, found = running
    watched = create(made, "watched", BAD)

    assert watched.status == 201
    assert "gatecrier (detect):" in watched.warnings[0]
    would_be = found.said("events", "search", "decision.would_reject = true", "--json")
    assert '"watched"' in would_be

    label(made, "enforce")
    until(lambda: create(made, "probe", BAD, dry_run=True).status == 403)
    refused = create(made, "refused", BAD)
    assert 'admission webhook "enforce.validate.gatecrier.dev" denied the request: ' in refused.message
    assert create(made, "fine", GOOD).status == 201

    label(made, "off")
    until(lambda: not create(made, "probe", BAD, dry_run=True).message)
    assert not create(made, "unasked", BAD).warnings

    label(made, None)
    until(lambda: create(made, "probe", BAD, dry_run=True).warnings)
    assert create(made, "again", BAD).status == 201
    told = found.said("events", "search", "images.verdict = denied", "--json")
    assert [name for name in ("watched", "refused", "unasked", "again") if f'"{name}"' in told] == [
        "watched", "refused", "again",
    ]  # fmt: skip


def test_what_dies_refuses_only_where_it_is_enforced(running: tuple[Cluster, Product]) -> None:
    made, found = running
    found.process.kill()
    found.process.wait()
    let_in = partial(create, made, "let-in", BAD, dry_run=True)
    until(lambda: not let_in().warnings)

    assert let_in().status == 201
    label(made, "enforce")
    until(lambda: create(made, "probe", GOOD, dry_run=True).status == 500)
    assert "failed calling webhook" in create(made, "refused", GOOD).message
