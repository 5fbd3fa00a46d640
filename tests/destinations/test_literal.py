"""Addresses that are written out are known before anything is sent, wherever they stand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from router.destinations.catalogue import KINDS
from router.destinations.kind import AnyKind
from router.destinations.literal import literal_addresses
from router.destinations.settings import CommonSettings
from tests.contracts.kinds import least, read, told_at, variables_of
from tests.destinations.test_service_accounts import account, settings

ADDRESS = "10.1.2.3"
URL = f"https://{ADDRESS}/x"


def found(told: CommonSettings) -> Sequence[tuple[tuple[str | int, ...], str, bool]]:
    return [(path, str(address), is_referenced) for path, address, is_referenced in literal_addresses(told)]


@pytest.mark.parametrize("kind", [one for one in KINDS if one.name != "file"], ids=lambda one: one.name)
def test_where_a_kind_tells_is_known(kind: AnyKind) -> None:
    """A key under which none is looked for is a private address of which `config check` says nothing."""
    written = told_at(least(kind), URL)
    written |= {"address": f"{ADDRESS}:9"} if "address" in written else {}
    told = read(written, Path("/nowhere"), variables_of(written, URL) | {"URL": URL})

    assert {address for _, address, _ in found(told)} == {ADDRESS}
    assert {key for key in ("address", "api", "authority", "url", "urls") if written.get(key)} == {
        path[0] for path, _, _ in found(told)
    }


def test_where_tokens_are_granted_to_a_service_account_is_known() -> None:
    told = settings(account(token_uri=f"https://{ADDRESS}/token"))

    assert found(told) == [(("credentials",), ADDRESS, True)]


def test_where_nothing_was_read_nothing_is_known() -> None:
    """Offline, secrets are not there."""
    told = settings(account()).model_copy(update={"credentials": None})

    assert found(told) == []


def test_an_address_of_ipv6_is_known() -> None:
    written = {"name": "it", "kind": "syslog", "address": "[fd00::1]:6514"}

    assert found(read(written, Path("/nowhere"), {})) == [(("address",), "fd00::1", False)]
