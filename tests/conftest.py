"""What holds for every test.

1. No claim is about speed. Hypothesis' limits of time for an example and for making one are off: how long something
   takes says how busy the machine is. What must be cheap is claimed by counting steps.
2. Properties are not measured for coverage. Measuring makes them take twice as long, and the threshold is held by the
   examples alone, so a line that only chance reaches is seen to be untested. An example that does the same very often
   asks for it, too (`no_cover`).
3. Properties try the same examples each time, so that the same tree is always red or always green. Who looks for new
   mistakes lets them choose anew: GATECRIER_EXPLORE=1.
4. A test begins with a plain log, and what it writes belongs to its own output.
5. What collecting has made stays till the end: no collection of garbage looks through it, then or later.
6. Tests of whole programs go first, in one worker: while it waits for them the others work, and what is left at the end
   are short tests, of which nobody waits for one. First of all are those in a cluster: they take longest, and whoever
   takes over the rest of that worker's tests need not start a real API server of his own. Then come modules with the
   longest of the others: else chance makes one of these the last, for which all wait.
7. A real API server rests while no test asks it.
"""

from __future__ import annotations

import gc
import math
import os
from collections.abc import Generator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from router.supervision.sizing import usable_cpus
from router.telemetry import logs
from tests.simulators import resting
from tests.simulators.kube_apiserver import ApiServer, started
from tests.simulators.log import Log, collected
from tests.surroundings import log_plainly, save_in_go, trust_nobody, write_in_memory

gc.disable()  # till all is collected (5)
trust_nobody()
write_in_memory()
save_in_go()
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
settings.register_profile("exploring", settings.get_profile("any machine"), derandomize=False)
settings.load_profile("exploring" if "GATECRIER_EXPLORE" in os.environ else "any machine")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more worker than processors: the one that is at whole programs mostly waits (6)."""
    return 1 + math.ceil(usable_cpus())


LONG = frozenset(
    {
        "journeys",
        "packaging",
        "siege",
        "test_alerts.py",
        "test_family.py",
        "test_handing_over.py",
        "test_leaving.py",
        "test_release.py",
    }
)
"""Folders and modules whose tests start programs and wait for them."""
LONGEST = frozenset(
    {
        "test_a_scan_at_another_replica.py",
        "test_detect_in_a_cluster.py",
        "test_following.py",
        "test_nothing_is_lost.py",
        "test_replicas.py",
        "test_studio_page.py",
    }
)
"""Modules with a test that takes as long as ten others of whole programs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave properties unmeasured (2), and put first what is about whole programs (6)."""
    for item in items:
        if isinstance(item, pytest.Function) and getattr(item.function, "is_hypothesis_test", False):
            item.add_marker(pytest.mark.no_cover)
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.path.parent.name == "chart" or not {"api_server", "controlled"}.isdisjoint(_fixtures(item)):
        return 0
    if item.path.name in LONGEST:
        return 1
    return 2 if item.path.parent.name in LONG or item.path.name in LONG else 3


def _fixtures(item: pytest.Item | None) -> list[str]:
    return item.fixturenames if isinstance(item, pytest.Function) else []


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Wake what it asks for (7)."""
    resting.wake(_fixtures(item))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """Let rest what the next one does not ask for (7)."""
    try:
        return (yield)
    finally:
        resting.rest(_fixtures(nextitem))


def pytest_collection_finish() -> None:
    """Leave what was collected alone, garbage included: twenty thousand tests are a lot to look through (5)."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _plain_log() -> Iterator[None]:
    log_plainly()
    yield
    logs.flush()
    structlog.reset_defaults()


@pytest.fixture
def log() -> Iterator[Log]:
    """What the test makes the program log, as JSON."""
    with collected() as found:
        yield found


@pytest.fixture(scope="session")
def api_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A real API server, one for all tests of a run: each makes namespaces of its own."""
    with started(tmp_path_factory.mktemp("kube")) as server, resting.shared("api_server", server):
        yield server


@pytest.fixture(scope="session")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """Another one, with the controllers that make ReplicaSets, Jobs, Pods and volumes' claims."""
    with started(tmp_path_factory.mktemp("kube"), has_controllers=True) as server, resting.shared("controlled", server):
        yield server
