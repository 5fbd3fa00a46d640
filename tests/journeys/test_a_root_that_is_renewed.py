"""A trusted root is renewed while the product runs, and what was proven under the old one is not known any more.

An image that was signed with a short-lived certificate is let in for as long as the instance's timestamp authority
counts. Its repository, which is a real one, takes that authority out.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from router.assembly.in_force import KEEPER, in_force_from
from router.settings.loading import load
from tests.admission.world import pod
from tests.assembly.program import served
from tests.assembly.small import Place
from tests.simulators.registry import RegistrySimulator
from tests.trust.repository import OwnRepository, serving
from tests.trust.test_updating import DATA, FIRST, SECOND

ALICE = {"name": "alice", "issuer": "https://accounts.shop.example", "subject": "alice@shop.example"}


def place_of(folder: Path, registry: RegistrySimulator, own: OwnRepository, url: str) -> Place:
    """A configuration that trusts the repository."""
    (folder / "tuf-root.json").write_bytes(own.beginning)
    shop = {
        "name": "shop",
        "kind": "cosign",
        "keyless": [ALICE],
        "trust_root": "own",
        "transparency_log": "ignore",
        "timestamp": "required",
    }
    return Place(
        folder,
        enforcement={"default": "enforce"},
        registries=[{"host": registry.host, "plain_http": True}],
        trust_roots=[{"name": "own", "tuf": {"url": url, "root": "tuf-root.json"}}],
        verifiers=[shop],
        policy=[{"pattern": f"{registry.host}/**", "verifier": "shop"}, {"pattern": "**", "verifier": "deny"}],
    )


async def verdict(place: Place, image: str) -> tuple[bool, str]:
    """Whether a Pod with this image is let in, and what its event says of the image."""
    before = len(place.events)
    status, body = await place.post(json.dumps(pod(image, uid=f"request-{before}")).encode())
    assert status == 200
    event = (await place.until_archived(before + 1))[-1]
    (found,) = event["data"]["images"]  # type: ignore[index]
    return bool(json.loads(body)["response"]["allowed"]), f"{found['verdict']} {found['reason']}"


async def refresh(place: Place) -> int:
    """`gatecrier trust refresh` by its code."""
    command = [sys.executable, "-m", "router", "trust", "refresh", "--config", str(place.config)]
    return await (await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)).wait()


async def test_a_root_is_renewed_while_it_runs_and_kept_for_the_next_start(tmp_path: Path) -> None:
    own = OwnRepository(FIRST)
    async with RegistrySimulator().running() as registry, serving(own.files) as server:
        registry.load_layout(DATA / "layouts" / "bundle-timestamp-only", "shop/web")
        image = f"{registry.host}/shop/web:v1"
        place = place_of(tmp_path, registry, own, server.url)
        async with served(place) as program:
            await program.told("trust_taken")
            assert await verdict(place, image) == (True, "verified signed")

            own.publish(SECOND)
            assert await refresh(place) == 0
            program.process.send_signal(signal.SIGHUP)
            await program.told("trust_taken")
            allowed, found = await verdict(place, image)
            assert (allowed, found.split()[0]) == (False, "untrusted")

        asked = len(server.asked)
        own.files.clear()
        async with served(place) as program:  # the repository is gone, and what it said last is not a day old
            await program.told("trust_taken")
            assert await verdict(place, image) == (False, found)

    assert len(server.asked) == asked


async def test_a_root_that_never_came_makes_nobody_wait_and_lets_nobody_in(tmp_path: Path) -> None:
    own = OwnRepository(FIRST)
    async with RegistrySimulator().running() as registry, serving({}) as server:
        server.slow |= {f"{version}.root.json" for version in (1, 2)}
        registry.load_layout(DATA / "layouts" / "bundle-timestamp-only", "shop/web")
        place = place_of(tmp_path, registry, own, server.url)
        async with served(place) as program:
            assert await verdict(place, f"{registry.host}/shop/web:v1") == (False, "unverifiable trust_missing")
            assert (await place.probe("healthz"))[0] == (await place.probe("readyz"))[0] == 200

            server.slow.clear()
            own.files["timestamp.json"] = b"{}"
            server.let_go.set()
            line = await program.told("trust_not_refreshed")
            assert (line["root"], line["level"]) == ("own", "warning")

            status, metrics = await place.probe("metrics")
            assert (status, 'gatecrier_trouble{cause="trust_refresh_failed"} 1.0' in metrics) == (200, True)
            assert (await place.probe("healthz"))[0] == 200


def test_a_configuration_of_keys_asks_nobody(tmp_path: Path) -> None:
    """Not even where it names a repository that nobody uses."""
    (tmp_path / "root.json").write_bytes(OwnRepository(None).beginning)
    key = (DATA / "keys" / "release.pub").read_text()
    by_keys = {"name": "keys", "kind": "cosign", "keys": [{"name": "a", "pem": key}], "trust_root": "own"}
    by_names = {"name": "names", "kind": "cosign", "keyless": [ALICE]}
    root = {"name": "own", "tuf": {"url": "https://tuf.example", "root": "root.json"}}

    def asked(*verifiers: object) -> list[str]:
        place = Place(tmp_path, verifiers=verifiers, trust_roots=[root])
        return [one.name for one in in_force_from(load(place.config, {}), None).parts[KEEPER].repositories]

    assert asked(by_keys) == []
    assert asked(by_keys, by_names) == ["public-good"]
    assert asked(by_names | {"trust_root": "own"}, by_keys | {"timestamp": "required"}) == ["own"]


def test_serving_imports_nothing_of_tuf() -> None:
    code = "import sys, router.assembly, router.trust.refreshing; sys.exit('tuf' in sys.modules)"

    assert os.spawnv(os.P_WAIT, sys.executable, [sys.executable, "-c", code]) == 0  # noqa: S606 - our own words only
