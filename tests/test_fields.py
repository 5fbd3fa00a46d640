from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from router.fields import (
    Duration,
    Listen,
    ListenAddress,
    Name,
    Network,
    ReadingContext,
    Size,
    duration_text,
    size_text,
)

T = TypeVar("T")
SECONDS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def context(
    files: Mapping[str, bytes] | None = None, environment: Mapping[str, str] | None = None
) -> dict[str, ReadingContext]:
    def read(path: Path, limit: int) -> bytes:
        content = (files or {}).get(str(path))
        if content is None:
            raise FileNotFoundError(2, "No such file or directory")
        if len(content) > limit:
            raise ValueError(f"it has more than {limit} bytes")
        return content

    return {"reading": ReadingContext(Path("/etc/gatecrier"), environment or {}, read)}


def refused(adapter: TypeAdapter[T], value: object) -> str:
    """The text with which the value is refused where it stands in a file."""
    with pytest.raises(ValidationError) as caught:
        adapter.validate_python(value, context=context())
    return caught.value.errors()[0]["msg"]


@given(st.integers(1, 10**9 - 1), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_its_number_times_its_unit(number: int, unit: str) -> None:
    seconds = TypeAdapter(Duration).validate_python(f"{number}{unit}")

    assert seconds == pytest.approx(number * SECONDS[unit])


@given(st.one_of(st.text(max_size=12), st.integers(), st.booleans(), st.none(), st.floats()))
def test_a_duration_without_number_and_unit_is_refused_and_told(value: object) -> None:
    if isinstance(value, str) and any(value.endswith(unit) for unit in SECONDS):
        return
    text = refused(TypeAdapter(Duration), value)

    assert "write a number and a unit" in text


@given(st.integers(1, 10**9 - 1), st.sampled_from(sorted(SECONDS)))
def test_a_duration_is_written_as_it_would_be_read(number: int, unit: str) -> None:
    adapter = TypeAdapter(Duration)
    seconds = adapter.validate_python(f"{number}{unit}")

    assert adapter.validate_python(duration_text(seconds)) == pytest.approx(seconds)


@given(st.integers(1, 10**9 - 1), st.sampled_from(sorted(BYTES)))
def test_a_size_is_written_as_it_would_be_read(number: int, unit: str) -> None:
    adapter = TypeAdapter(Size)

    assert adapter.validate_python(size_text(adapter.validate_python(f"{number}{unit}"))) == number * BYTES[unit]


@pytest.mark.parametrize("value", ["0s", "0ms", "0.0h"])
def test_a_duration_of_nothing_is_refused(value: str) -> None:
    assert "more than nothing" in refused(TypeAdapter(Duration), value)


@pytest.mark.parametrize("value", ["-8s", "+8s", "8 s", " 8s", "8s\n", "8S", "1h30m", "1e3s", "٣s", "1.2345s", "8sec"])
def test_a_duration_is_written_in_one_way(value: str) -> None:
    assert "is not a valid duration" in refused(TypeAdapter(Duration), value)


def test_a_number_is_seconds_only_for_settings_built_by_hand() -> None:
    """In a file `8.5` says nothing about its unit; in Python a default is in seconds."""
    assert TypeAdapter(Duration).validate_python(8.5) == 8.5
    assert "8.5 is not a valid duration" in refused(TypeAdapter(Duration), 8.5)


@given(st.integers(1, 10**9 - 1), st.sampled_from(sorted(BYTES)))
def test_a_size_is_its_number_times_its_unit(number: int, unit: str) -> None:
    size = TypeAdapter(Size).validate_python(f"{number}{unit}")

    assert size == number * BYTES[unit]


@pytest.mark.parametrize("value", ["32MB", "32", "1.5MiB", "-1B", "MiB", "32 MiB", True, 32, None])
def test_a_size_without_a_binary_unit_is_refused(value: object) -> None:
    assert "is not a valid size" in refused(TypeAdapter(Size), value)


def test_a_number_is_bytes_only_for_settings_built_by_hand() -> None:
    assert TypeAdapter(Size).validate_python(512) == 512


def test_a_size_of_nothing_is_refused() -> None:
    assert "greater than 0" in refused(TypeAdapter(Size), "0B")


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_address_to_listen_on_survives_being_written(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int
) -> None:
    if "%" in str(address):
        return
    written = str(ListenAddress(str(address), port))
    read = TypeAdapter(Listen).validate_python(written)

    assert read == ListenAddress(str(address), port)


@given(st.text(max_size=30))
def test_whatever_is_listened_on_has_a_host_and_a_port(value: str) -> None:
    try:
        address = TypeAdapter(Listen).validate_python(value)
    except ValidationError as error:
        assert "is not a valid address to listen on" in str(error)  # noqa: PT017 - either outcome is a claim
    else:
        assert 0 < address.port <= 65535
        assert address.host.isprintable()


@pytest.mark.parametrize(
    ("value", "host", "port"),
    [
        (":8443", "", 8443),
        ("localhost:1", "localhost", 1),
        ("[::]:443", "::", 443),
        ("gate-0.gate:9", "gate-0.gate", 9),
    ],
)
def test_hosts_may_be_names_or_empty(value: str, host: str, port: int) -> None:
    assert TypeAdapter(Listen).validate_python(value) == ListenAddress(host, port)


@pytest.mark.parametrize(
    "value",
    [
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:0",
        "127.0.0.1:65536",
        "127.0.0.1:https",
        "127.0.0.1:" + "9" * 5000,
        "::1:8443",
        "[::1]",
        "[127.0.0.1]:80",
        "[]:80",
        "http://0.0.0.0:80",
        "300.1.1.1:80",
        "a b:80",
        "a..b:80",
        8443,
        None,
    ],
)
def test_what_is_no_address_to_listen_on_is_refused_briefly(value: object) -> None:
    text = refused(TypeAdapter(Listen), value)

    assert "is not a valid address to listen on" in text
    assert len(text) < 400


@pytest.mark.parametrize("value", ["a", "shop-keys", "a.b_c-1", "x" * 63])
def test_names_are_lower_case_words(value: str) -> None:
    assert TypeAdapter(Name).validate_python(value) == value


@pytest.mark.parametrize("value", ["", "Shop", "a b", "-a", "a-", "x" * 64, "a\n", "ä", "a/b"])
def test_what_is_no_name_is_refused_with_the_rule(value: str) -> None:
    assert "lower-case letters" in refused(TypeAdapter(Name), value)


@pytest.mark.parametrize("value", ["10.0.0.0/8", "fd00::/8", "192.0.2.1"])
def test_networks_are_of_either_family(value: str) -> None:
    assert TypeAdapter(Network).validate_python(value) == ipaddress.ip_network(value)


@pytest.mark.parametrize("value", ["127.0.0.0/33", "10.0.0.1/8", "internal", 10, None])
def test_what_is_no_network_is_refused_with_an_example(value: object) -> None:
    assert "10.0.0.0/8" in refused(TypeAdapter(Network), value)


def test_a_network_may_be_given_as_one() -> None:
    network = ipaddress.ip_network("10.0.0.0/8")

    assert TypeAdapter(Network).validate_python(network) is network
