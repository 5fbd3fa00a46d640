"""What every destination promises to delivery: each of the catalogue, opened with as little as can be said."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.destinations.catalogue import KINDS, open_destination
from router.destinations.document import Destination, Document
from router.destinations.egress import EgressSettings
from router.destinations.kind import AnyKind
from router.destinations.outcome import REASONS, Delivered, TryAgain
from router.destinations.secrets import places_of
from tests.contracts.kinds import URL, least, read, variables_of

EACH = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
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


@EACH
async def test_no_secret_is_shown_whatever_becomes_of_an_attempt(
    kind: AnyKind, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither by its settings, nor by the destination, nor by what is logged; one of them goes into documents."""
    written = least(kind)
    settings = read(written, tmp_path, variables_of(written))
    destination = open_destination(settings, LOOPBACK)
    place = places_of(settings)["canary"]
    outcome = await destination.deliver([Document("event-1", f'{{"text":"{place}"}}'.encode())])
    await destination.close()

    shown = "".join(map(repr, (settings, destination, outcome))) + str(settings) + "".join(capsys.readouterr())
    assert not [one for one in variables_of(written).values() if one in shown and one != URL]
    assert "url-secret" not in repr(destination) + repr(outcome)
