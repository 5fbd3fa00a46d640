from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.errors import UnreachableError
from router.registry import RegistrySettings, endpoints
from router.registry.endpoints import Endpoints

ENDPOINTS = Endpoints([RegistrySettings(host="localhost:5000", plain_http=True)])


@pytest.mark.parametrize(
    ("registry", "base"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/"),
        ("registry.example", "https://registry.example/v2/"),
        ("Registry.Example:5000", "https://registry.example:5000/v2/"),
        ("localhost:5000", "http://localhost:5000/v2/"),
        ("LOCALHOST:5000", "http://localhost:5000/v2/"),
        ("localhost:5001", "https://localhost:5001/v2/"),
        ("127.0.0.1", "https://127.0.0.1/v2/"),
        ("[::1]:5000", "https://[::1]:5000/v2/"),
        ("UP", "https://up/v2/"),
    ],
)
def test_a_registry_answers_by_https_unless_it_is_named(registry: str, base: str) -> None:
    assert ENDPOINTS.of(registry).base == base


@given(st.from_regex(r"(?:[a-zA-Z0-9.-]{1,20}|\[[a-f0-9:]{1,20}\])(?::[0-9]{1,7})?", fullmatch=True))
def test_every_registry_has_an_endpoint_or_is_unreachable(registry: str) -> None:
    try:
        endpoint = ENDPOINTS.of(registry)
    except UnreachableError:
        return

    assert endpoint.host


def test_no_more_registries_are_remembered_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "_REMEMBERED", 3)
    found = Endpoints([])
    for number in range(10):
        found.of(f"{number}.example")

    assert len(found._others) <= 3


@pytest.mark.parametrize(
    ("registry", "base"),
    [
        ("docker.io", "https://registry-1.docker.io/v2/"),
        ("registry:443", "https://registry/v2/"),
        ("a.example:80", "https://a.example:80/v2/"),
        ("plain.example", "http://plain.example/v2/"),
        ("plain:443", "http://plain/v2/"),
        ("plain.example:80", "https://plain.example:80/v2/"),
    ],
)
def test_a_registry_is_asked_where_its_name_leads(registry: str, base: str) -> None:
    """A name without a port means 443 with TLS and 80 without; 80 written out is a registry of its own."""
    known = Endpoints([RegistrySettings(host=host, plain_http=True) for host in ("plain.example", "Plain")])

    assert known.of(registry).base == base
