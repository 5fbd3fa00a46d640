"""No secret is where it must not be, whatever the service is: in URLs, headers, bodies and templates stand canaries."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import quote_plus

import pytest

from router.destinations.secrets import places_of
from tests.contracts.http_dialects import DOCUMENT, KINDS, SECRETS, Sink, opened, settings_of, taken, told_with
from tests.simulators.sinks import answer


@pytest.mark.parametrize("kind", KINDS)
async def test_a_secret_of_a_template_is_filled_in_when_it_is_sent_and_never_shown(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where its place is in the document, after everything that the dialect does; the receiver repeats the body."""
    canary = SECRETS["CANARY"]
    place = places_of(settings_of(kind, "http://127.0.0.1:9/", tmp_path))["canary"]
    document, refusal = told_with(place, kind), "400 Bad"
    async with Sink(
        behave=lambda got: answer(refusal, got.body[got.body.find(canary[:8].encode()) :])
    ).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        found = await destination.deliver([document])
        await destination.close()
    sent = sink.got[0].body

    assert b"GatecrierSecret" not in sent
    assert any(form.encode() in sent for form in (json.dumps(canary, ensure_ascii=False)[1:-1], quote_plus(canary)))
    shown = repr(document) + str(found) + "".join(capsys.readouterr())
    assert not [one for one in (canary, canary[:12], canary[-12:], json.dumps(canary)[1:-1]) if one in shown]


@pytest.mark.parametrize("kind", KINDS)
async def test_a_cut_goes_through_no_secret(kind: str, tmp_path: Path) -> None:
    """Whatever the service's limits: there is the whole of it, or nothing of it."""
    place = places_of(settings_of(kind, "http://127.0.0.1:9/", tmp_path))["canary"]
    async with Sink(taken(kind, tmp_path)).running() as sink:
        destination = opened(kind, sink.url(), tmp_path)
        for beginning in range(0, len(place) + 9, 3):
            await destination.deliver([told_with("a" * beginning + place * 400, kind)])
        await destination.close()
    rests = [
        receipt.body.decode().replace("\\", "").replace(SECRETS["CANARY"].replace("\\", ""), "") for receipt in sink.got
    ]

    assert not [rest for rest in rests if "GatecrierSecret" in rest or re.search("P{9}E?", rest)]


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_is_shown(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    destination = opened(kind, "http://127.0.0.1:9/T000/url-secret", tmp_path)
    found = await destination.deliver([DOCUMENT])
    await destination.close()

    shown = repr(destination) + str(found) + "".join(capsys.readouterr())
    assert not any(secret in shown for secret in (*SECRETS.values(), "url-secret"))
