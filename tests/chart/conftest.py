from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chart.cluster import Cluster, ours
from tests.simulators import resting


@pytest.fixture(scope="session")
def _desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ours(tmp_path_factory.mktemp("kube")) as made, resting.shared("_desk", made.server):
        yield made


@pytest.fixture
def bare(_desk: Cluster) -> Iterator[Cluster]:
    """A cluster with the namespace that ours is to be; a release that is made there goes after the test.

    The API server is one for all tests of a run: it takes longer to start than most of them take.
    """
    yield _desk
    if "gatecrier" in _desk.helm("list", "--short"):
        _desk.helm("uninstall", "gatecrier")
