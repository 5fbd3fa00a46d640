from __future__ import annotations

import base64
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError

from router.destinations.catalogue import DestinationSettings, default_template, markup_of
from router.destinations.sysdig import REGIONS
from router.fields import ReadingContext
from router.rendering.markup import Markup

ADAPTER: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
ENVIRONMENT = {
    "TOKEN": "t",
    "KEY": "whsec_" + base64.b64encode(b"k" * 24).decode(),
    "SHORT": base64.b64encode(b"k").decode(),
    "WORD": "no base64!",
    "LINE": "a",
    "PLAIN": "http://slack.example/x",
    "SLACK": "https://hooks.slack.com/services/T/B/secret",
}
READING = {"reading": ReadingContext(Path("/nowhere"), ENVIRONMENT, lambda path, _: path.read_bytes())}


def read(**written: object) -> DestinationSettings:
    return ADAPTER.validate_python({"name": "it", **written}, context=READING)


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_its_own_host(region: str) -> None:
    settings = read(kind="sysdig", region=region, token={"env": "TOKEN"})

    assert settings.endpoint == f"https://{REGIONS[region]}/api/v1/eventsDispatch/ingest"  # type: ignore[union-attr]  # sysdig


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"kind": "sysdig", "token": {"env": "TOKEN"}}, "exactly one of `region` and `url`"),
        ({"kind": "sysdig", "region": "us1", "url": "https://a/b", "token": {"env": "TOKEN"}}, "exactly one"),
        ({"kind": "sysdig", "region": "mars1", "token": {"env": "TOKEN"}}, "us1"),
        ({"kind": "slack", "url": "https://hooks.slack.com/x"}, "never a literal"),
        ({"kind": "slack", "url": {"env": "PLAIN"}}, "plain_http"),
        ({"kind": "webhook", "url": "http://a.example/x"}, "'it': the url is http"),
        ({"kind": "webhook", "url": "ftp://a.example/x"}, "no https://HOST"),
        ({"kind": "webhook", "url": "https://user:pw@a.example/x"}, "no user"),
        ({"kind": "webhook", "url": "https://a.example/x#y"}, "no fragment"),
        ({"kind": "webhook", "url": "https://a.example/x y"}, "no blanks"),
        ({"kind": "webhook", "url": "https://a.example:99999/x"}, "can't be read"),
        ({"kind": "webhook", "url": "https://a.example/" + "x" * 5000}, "no https://HOST"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"a b": "c"}}, "no name of a header"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"Host": "c"}}, "set by Gatecrier"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"webhook-id": "c"}}, "set by Gatecrier"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"a": "b\r\nc: d"}}, "headers can't have"),
        ({"kind": "webhook", "url": "https://a/x", "signing_secret": {"env": "SHORT"}}, "1 bytes"),
        ({"kind": "webhook", "url": "https://a/x", "signing_secret": {"env": "WORD"}}, "no base64"),
        ({"kind": "webhook", "url": "https://a/x", "batch_size": 2, "template": "x"}, "CloudEvents only"),
        ({"kind": "webhook", "url": "https://a/x", "concurrency": 100}, "64"),
        ({"kind": "fax"}, "fax"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_remedy(written: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**written)

    assert words in str(caught.value)


def test_templates_and_markup_follow_the_kind() -> None:
    slack = read(kind="slack", url={"env": "SLACK"})
    hook = read(kind="webhook", url="https://a.example/x")

    assert (default_template(slack), markup_of(slack)) == ("slack", Markup.SLACK)
    assert (default_template(hook), markup_of(hook)) == (None, Markup.NONE)
