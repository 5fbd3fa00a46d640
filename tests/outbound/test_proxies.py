from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from router.errors import ConfigurationError
from router.outbound import proxies
from router.outbound.proxies import Proxies

PROXY = "http://proxy.example:3128"


def taken(url: str, **environment: str) -> str | None:
    found = Proxies(environment).of(URL(url))
    return str(found.url) if found is not None else None


@pytest.mark.parametrize(
    ("url", "environment", "expected"),
    [
        ("https://a.example", {}, None),
        ("https://a.example", {"HTTPS_PROXY": PROXY}, PROXY),
        ("http://a.example", {"HTTPS_PROXY": PROXY}, None),
        ("http://a.example", {"http_proxy": PROXY}, PROXY),
        ("https://a.example", {"ALL_PROXY": PROXY}, PROXY),
        ("https://a.example", {"ALL_PROXY": "http://b.example", "https_proxy": PROXY}, PROXY),
        ("https://a.example", {"https_proxy": PROXY, "HTTPS_PROXY": "http://b.example"}, PROXY),
        ("https://a.example", {"https_proxy": "proxy.example:3128"}, PROXY),
        ("https://localhost:5000", {"https_proxy": PROXY}, None),
        ("https://127.0.0.1:5000", {"https_proxy": PROXY}, None),
        ("https://[::1]:5000", {"https_proxy": PROXY}, None),
        ("https://10.1.2.3", {"https_proxy": PROXY}, PROXY),
    ],
)
def test_the_environment_names_the_proxy(url: str, environment: dict[str, str], expected: str | None) -> None:
    assert taken(url, **environment) == expected


@pytest.mark.parametrize(
    ("url", "exempt", "is_direct"),
    [
        ("https://a.example", "*", True),
        ("https://10.0.0.1", "*", True),
        ("https://a.example", "a.example", True),
        ("https://A.Example", "a.EXAMPLE", True),
        ("https://sub.a.example", "a.example", True),
        ("https://nota.example", "a.example", False),
        ("https://sub.a.example", ".a.example", True),
        ("https://sub.a.example", "*.a.example", True),
        ("https://a.example", ".a.example", False),
        ("https://a.example:5000", "a.example:5000", True),
        ("https://a.example:5000", "a.example:5001", False),
        ("https://a.example", "x.example, ,a.example", True),
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.1.2.3", True),
        ("https://10.1.2.3:5000", "10.1.2.3:5000", True),
        ("https://10.1.2.3:5000", "10.1.2.3:5001", False),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]:5000", "[fd00::1]:5000", True),
        ("https://10.1.2.3", "example.com", False),
        ("https://a.example", "10.0.0.0/8", False),
    ],
)
def test_no_proxy_exempts(url: str, exempt: str, is_direct: bool) -> None:  # noqa: FBT001 - a table
    assert taken(url, https_proxy=PROXY, NO_PROXY=exempt) == (None if is_direct else PROXY)


def test_credentials_of_a_proxy_leave_its_url() -> None:
    found = Proxies({"https_proxy": "http://user:p%40ss@proxy.example"}).of(URL("https://a.example"))

    assert found is not None
    assert found.url.user is None
    assert found.authorization == "Basic dXNlcjpwQHNz"
    assert "pass" not in repr(found.url)


@pytest.mark.parametrize(
    "value",
    ["socks5://proxy.example", "http://", "http://[", "ftp://proxy.example", "http://127.1:3128", "2852039166:1"],
)
def test_what_is_no_proxy_is_a_mistake(value: str) -> None:
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        Proxies({"https_proxy": value})


def test_no_more_targets_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxies, "_REMEMBERED", 3)
    found = Proxies({"https_proxy": PROXY})
    for number in range(10):
        assert found.of(URL(f"https://{number}.example")) is not None

    assert len(found._remembered) <= 3
    assert found


@given(st.text(max_size=30), st.sampled_from(["https://a.example", "https://10.0.0.1", "https://[fd00::1]:1"]))
def test_no_exemption_crashes_the_matcher(exempt: str, url: str) -> None:
    assert taken(url, https_proxy=PROXY, no_proxy=exempt) in {None, PROXY}
