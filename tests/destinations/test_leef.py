"""LEEF, by a reader that was written from its description: every template, every example, every hostile name."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest

from router.destinations.catalogue import kind_of
from router.destinations.document import Document
from router.destinations.kind import OwnKind
from router.rendering.filters import map_severity
from tests.contracts.kinds import STORED, kind_of_name, read, renderer, shipped
from tests.destinations import leef
from tests.rendering.hostile import HOSTILE, event_with, incident_with

KIND = kind_of_name("syslog")
RENDERER = renderer(KIND, shipped(KIND))


def told(body: bytes, max_size: str = "64KiB") -> tuple[dict[str, object], leef.Leef]:
    """What the template made, and what is read of the record."""
    written = {"name": "it", "kind": "syslog", "address": "siem.example:6514", "format": "leef", "max_size": max_size}
    settings = read(written, Path("/"), {})
    kind = kind_of(settings)
    assert isinstance(kind, OwnKind)
    assert kind.sent is not None
    made = RENDERER.render(body).body
    document = Document(orjson.loads(body)["id"], made)
    return json.loads(made), leef.read(kind.sent(settings, document).decode())


@pytest.mark.parametrize("body", STORED, ids=lambda body: orjson.loads(body)["id"])
def test_every_example_is_read_as_it_was_meant(body: bytes) -> None:
    made, found = told(body)
    fields = made["fields"]
    assert isinstance(fields, dict)

    assert (found.vendor, found.product, found.event_id) == ("Gatecrier", "gatecrier", made["event"])
    assert found.attributes["sev"] == str(map_severity(made["severity"], "leef"))
    assert found.attributes["msg"] != ""
    assert found.attributes.get("cat", "") == fields.get("outcome", "")
    if (user := fields.get("user", "")).isprintable():  # else what nobody sees is shown
        assert found.attributes.get("usrName", "") == user
    assert found.priority is not None


@pytest.mark.parametrize("size", ["480B", "4KiB", "64KiB"])
@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_name_adds_an_attribute(text: str, size: str) -> None:
    for made in (event_with, incident_with):
        _, hostile = told(made(text), size)
        _, plain = told(made("plain"))

        assert set(hostile.attributes) <= set(plain.attributes)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CEF:0|a|b|1|X|", "no beginning"),
        ("LEEF:2.0|a|b|1|X|x09|a=1\nLEEF", "more than a line"),
        ("LEEF:2.0|a||1|X|x09|a=1", "empty part"),
        ("LEEF:2.0|a|b|1|X|x09|a", "no attribute"),
        ("LEEF:2.0|a|b|1|X|^|a=1^a=2", "twice"),
        ("LEEF:1.0|a|b|1|X|sev=11", "sev"),
        ("LEEF:2.0|a|b|1|X|0x09|devTime=2026", "devTime"),
        ("LEEF:2.0|a|b|1|X||a=1|2", "avoid"),
    ],
)
def test_the_reader_finds_what_is_wrong(text: str, told: str) -> None:
    with pytest.raises(leef.NoLeefError, match=told):
        leef.read(text)
