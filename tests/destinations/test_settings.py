from __future__ import annotations

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from yarl import URL

from router.destinations.catalogue import DestinationSettings, kind_of, open_destination
from router.destinations.egress import EgressSettings
from router.destinations.headers import checked_headers
from router.destinations.kinds.sysdig import REGIONS, SysdigSettings
from router.destinations.over_http import HttpDestination
from router.destinations.settings import HttpSettings, checked_url
from router.fields import ReadingContext
from router.rendering.markup import Markup

ADAPTER: TypeAdapter[DestinationSettings] = TypeAdapter(DestinationSettings)
ENVIRONMENT = {
    "TOKEN": "t",
    "KEY": "whsec_" + base64.b64encode(b"k" * 24).decode(),
    "SHORT": base64.b64encode(b"k").decode(),
    "WORD": "not valid base64!",
    "UMLAUT": "t\u00f6ken",
    "BLANK": "to ken",
    "PORT": "https://a.example:secret/x",
    "PROXY": "http://user:secret@proxy.example:3128",
    "PLAIN": "http://slack.example/x",
    "SLACK": "https://hooks.slack.com/services/T/B/secret",
}
READING = {"reading": ReadingContext(Path("/nowhere"), ENVIRONMENT, lambda path, _: path.read_bytes())}


def read(**written: object) -> DestinationSettings:
    return ADAPTER.validate_python({"name": "it", **written}, context=READING)


@pytest.mark.parametrize("region", REGIONS)
def test_every_region_has_its_own_host(region: str) -> None:
    settings = read(kind="sysdig", region=region, token={"env": "TOKEN"})

    assert isinstance(settings, SysdigSettings)
    assert settings.endpoint == f"https://{REGIONS[region]}/api/v1/eventsDispatch/ingest"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ({"kind": "sysdig", "token": {"env": "TOKEN"}}, "exactly one of `region` and `url`"),
        ({"kind": "sysdig", "region": "us1", "url": "https://a/b", "token": {"env": "TOKEN"}}, "exactly one"),
        ({"kind": "sysdig", "region": "mars1", "token": {"env": "TOKEN"}}, "us1"),
        ({"kind": "slack", "url": "https://hooks.slack.com/x"}, "never a literal"),
        ({"kind": "slack", "url": {"env": "PLAIN"}}, "plain_http"),
        ({"kind": "webhook", "url": "http://a.example/x"}, "'it': the url is http"),
        ({"kind": "webhook", "url": "ftp://a.example/x"}, "not https://HOST"),
        ({"kind": "webhook", "url": "https://user:pw@a.example/x"}, "no user"),
        ({"kind": "webhook", "url": "https://a.example/x#y"}, "no fragment"),
        ({"kind": "webhook", "url": "https://a.example/x y"}, "no blanks"),
        ({"kind": "webhook", "url": "https://a.example:99999/x"}, "can't be read"),
        ({"kind": "webhook", "url": "https://a.example/" + "x" * 5000}, "not https://HOST"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"a b": "c"}}, '"a b" is not a valid name of a header'),
        (
            {"kind": "webhook", "url": "https://a/x", "headers": {"Authorization: Bearer s3cr3t": ""}},
            "(a text of 28 characters that is no name) is not a valid name of a header; write the name alone",
        ),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"Host": "c"}}, "set by Gatecrier"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"webhook-id": "c"}}, "set by Gatecrier"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"a": "b\r\nc: d"}}, "headers can't have"),
        ({"kind": "webhook", "url": "https://a/x", "signing_secret": {"env": "SHORT"}}, "1 bytes"),
        ({"kind": "webhook", "url": "https://a/x", "signing_secret": {"env": "WORD"}}, "not valid base64"),
        (
            {"kind": "webhook", "url": "https://a/x", "signing_secret": {"env": "KEY"}, "compression": "gzip"},
            "drop `compression` or `signing_secret`",
        ),
        ({"kind": "webhook", "url": "https://a/x", "linger": "1s"}, "`linger` goes with a `batch_size`"),
        (
            {"kind": "otlp", "url": "https://a/x", "must_deliver": True, "linger": "1s"},
            "an admission would wait as long as `linger` says",
        ),
        ({"kind": "otlp", "url": "https://a/x", "linger": "2m"}, "less than or equal to 60"),
        ({"kind": "webhook", "url": "https://a/x", "batch_size": 2, "template": "x"}, "`encoding: ndjson`"),
        ({"kind": "webhook", "url": "https://a/x", "concurrency": 100}, "64"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"X-A": "1", "x-a": "2"}}, "named twice"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"Expect": "100-continue"}}, "belongs to the connection"),
        ({"kind": "webhook", "url": "https://a/x", "headers": {"X-A": {"env": "UMLAUT"}}}, "headers can't have"),
        ({"kind": "webhook", "url": {"env": "PLAIN"}}, "plain_http"),
        ({"kind": "webhook", "url": {"env": "PORT"}}, "can't be read"),
        ({"kind": "webhook", "url": "https://[::1/x"}, "can't be read"),
        ({"kind": "webhook", "url": "https://:pw@a.example/x"}, "no user"),
        ({"kind": "webhook", "url": "//a.example/x"}, "not https://HOST"),
        ({"kind": "webhook", "url": "https://a.example:0/x"}, "not https://HOST"),
        ({"kind": "webhook", "url": "https://127.1/x"}, "four numbers"),
        ({"kind": "webhook", "url": "https://2130706433/x"}, "four numbers"),
        ({"kind": "webhook", "url": "https://0x7f.1/x"}, "four numbers"),
        ({"kind": "sysdig", "url": "https://0177.0.0.1/x", "token": {"env": "TOKEN"}}, "four numbers"),
        ({"kind": "webhook", "url": "https://10.0.0.1./x"}, "four numbers"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "http://2852039166:3128"}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "http://169.254.43518:3128"}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "socks5://a:1"}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "http://a:99999"}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "http://a:1/path"}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "proxy.example:3128"}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": {"env": "TOKEN"}}, "not http://HOST:PORT"),
        ({"kind": "webhook", "url": "https://a/x", "proxy": "http://u:p@a:1"}, "is a secret"),
        ({"kind": "webhook", "url": "https://a/x", "ca": "/etc/hostname"}, "no certificate that can be read"),
        ({"kind": "webhook", "url": "https://a/x", "ca": "missing.pem"}, "can't be read"),
        ({"kind": "webhook", "url": "https://a/x", "timeout": "0s"}, "more than nothing"),
        ({"kind": "sysdig", "region": "us1", "token": {"env": "UMLAUT"}}, "outside ASCII"),
        ({"kind": "sysdig", "region": "us1", "token": {"env": "BLANK"}}, "blanks"),
        ({"kind": "sysdig", "url": "http://a/b", "token": {"env": "TOKEN"}}, "the url is http"),
        ({"kind": "slack", "url": {"env": "SLACK"}, "concurrency": 9}, "8"),
        ({"kind": "file", "path": ""}, "not a valid path"),
        ({"kind": "fax"}, "fax"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_remedy(written: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        read(**written)

    assert words in str(caught.value)


def test_templates_and_markup_follow_the_kind() -> None:
    slack = kind_of(read(kind="slack", url={"env": "SLACK"}))
    hook = kind_of(read(kind="webhook", url="https://a.example/x"))

    assert (slack.template, slack.incident_template, slack.markup) == ("slack", "slack-incident", Markup.SLACK)
    assert (hook.template, hook.incident_template, hook.markup) == (None, None, Markup.NONE)


@pytest.mark.parametrize(
    "more",
    [
        {"proxy": "http://proxy.example:3128"},
        {"proxy": {"env": "PROXY"}},
        {"headers": {"Authorization": {"env": "TOKEN"}, "X-Empty": ""}},
        {"signing_secret": {"env": "KEY"}, "batch_size": 1000},
        {"url": {"env": "SLACK"}, "timeout": "500ms", "give_up_after": "3d", "concurrency": 64, "must_deliver": True},
    ],
)
def test_what_operators_need_can_be_said(more: dict[str, object]) -> None:
    settings = read(**{"kind": "webhook", "url": "https://a.example/x", **more})

    assert isinstance(open_destination(settings, EgressSettings()), HttpDestination)


def test_no_secret_is_in_what_settings_show() -> None:
    settings = read(
        kind="webhook",
        url={"env": "SLACK"},
        proxy={"env": "PROXY"},
        signing_secret={"env": "KEY"},
        headers={"X-A": {"env": "TOKEN"}},
    )
    shown = (
        repr(settings) + str(settings) + settings.model_dump_json() + repr(open_destination(settings, EgressSettings()))
    )

    assert not any(part in shown for part in ("T/B", "user:secret", ENVIRONMENT["KEY"]))


URLS = st.from_regex(
    r"https?://[a-z0-9.:\[\]%_@\\-]{0,12}(:[0-9a-z]{0,6})?(/[!-~]{0,10})?(\?[!-~]{0,10})?", fullmatch=True
)


@given(URLS | st.text(max_size=30))
def test_a_url_that_is_taken_can_be_sent_to(url: str) -> None:
    """What the configuration lets pass must not fail when events wait."""
    try:
        checked_url(url, plain_http=True, name="it")
    except ValueError as error:
        assert "destination 'it'" in str(error)  # noqa: PT017 - whether it is taken is not the claim
        return
    target = URL(url)

    assert target.host
    assert target.user is None
    assert target.password is None
    assert target.scheme in {"http", "https"}


@given(st.dictionaries(st.text(max_size=6), st.text(max_size=8), max_size=3))
def test_no_header_begins_another(headers: dict[str, str]) -> None:
    try:
        taken = checked_headers({**headers})
    except ValueError:
        return

    for name, value in taken.items():
        assert not {"\r", "\n", "\0", ":"} & set(name)
        assert not {"\r", "\n", "\0"} & set(str(value))


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ({"kind": "otlp"}, 0.2),
        ({"kind": "otlp", "linger": "0ms"}, 0.0),
        ({"kind": "otlp", "linger": "1s"}, 1.0),
        ({"kind": "otlp", "batch_size": 1}, 0.0),
        ({"kind": "otlp", "must_deliver": True}, 0.0),
        ({"kind": "webhook"}, 0.0),
        ({"kind": "webhook", "batch_size": 9}, 0.2),
        ({"kind": "webhook", "batch_size": 9, "linger": "0ms"}, 0.0),
        ({"kind": "webhook", "batch_size": 9, "must_deliver": True}, 0.0),
        ({"kind": "sysdig", "token": {"env": "TOKEN"}}, 0.0),
    ],
)
def test_only_what_is_a_batch_waits_for_more(written: dict[str, object], seconds: float) -> None:
    found = read(url="https://a.example/x", **written)

    assert isinstance(found, HttpSettings)
    assert found.lingers == seconds
