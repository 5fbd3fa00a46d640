"""What destinations promise that are no HTTP: every one of the catalogue, opened with as little as can be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.destinations.catalogue import KINDS, open_destination
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kind import AnyKind, OwnKind
from router.destinations.outcome import REASONS, Delivered, TryAgain
from tests.contracts.kinds import least, read, variables_of

EACH = pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if isinstance(kind, OwnKind)], ids=lambda kind: kind.name
)
LOOPBACK = EgressSettings.model_validate({"allow": ["127.0.0.0/8"]})
DOCUMENT = Document("event-1", b'{"text":"hello"}')


def opened(kind: AnyKind, folder: Path, egress: EgressSettings) -> Destination:
    written = least(kind)
    return open_destination(read(written, folder, variables_of(written)), egress)


@EACH
@pytest.mark.parametrize("egress", [LOOPBACK, EgressSettings()], ids=["allowed", "forbidden"])
async def test_what_the_network_does_is_an_outcome(kind: AnyKind, egress: EgressSettings, tmp_path: Path) -> None:
    """Never an exception, and never the event's fault: nobody listens there, or it must not be told."""
    destination = opened(kind, tmp_path, egress)
    outcome = await destination.deliver([DOCUMENT])
    await destination.close()

    assert isinstance(outcome, Delivered | TryAgain)
    if isinstance(outcome, TryAgain):
        assert outcome.reason in REASONS
        assert not outcome.pauses


@EACH
async def test_it_can_be_closed_at_any_time(kind: AnyKind, tmp_path: Path) -> None:
    destination = opened(kind, tmp_path, LOOPBACK)
    await destination.close()
    first = await destination.deliver([DOCUMENT])
    await destination.close()
    await destination.close()
    second = await destination.deliver([DOCUMENT])
    await destination.close()

    assert first == second


@EACH
def test_it_says_what_delivery_asks(kind: AnyKind, tmp_path: Path) -> None:
    destination = opened(kind, tmp_path, LOOPBACK)

    assert destination.name == "it"
    assert destination.concurrency >= 1
    assert destination.batch_size >= 1
    assert destination.batch_bytes >= 1
    assert destination.give_up_after > 0
