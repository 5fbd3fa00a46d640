"""The event that the tests of routing ask about, complete in every field."""

from router.events import EventData, ImageData


def image(verdict: str = "unsigned", **fields: object) -> ImageData:
    """One image of the event."""
    whole: dict[str, object] = {
        "container": "web",
        "container_kind": "container",
        "image": "registry.example/shop/web:1.4",
        "reference": "registry.example/shop/web:1.4",
        "digest": None,
        "rule": "registry.example/shop/*",
        "verifier": "shop-keys",
        "verdict": verdict,
        "reason": "no_signature",
        "detail": "",
        "signers": [],
        "cached": False,
        "milliseconds": 5.5,
    }
    return {**whole, **fields}  # type: ignore[typeddict-item]  # tests put in what they like


def signer(name: str) -> dict[str, str | None]:
    """One signer of an image."""
    return {"name": name, "identity": None, "issuer": None, "fingerprint": "sha256:00"}


def event(*images: ImageData, namespace: str = "payments", would_reject: bool = True) -> EventData:
    """The data of one event."""
    return {
        "decision": {
            "outcome": "rejected",
            "mode": "enforce",
            "would_reject": would_reject,
            "severity": "high",
            "message": "first line\nsecond line",
            "break_glass": None,
        },
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "operation": "CREATE",
            "api_version": "apps/v1",
            "kind": "Deployment",
            "subresource": "",
            "namespace": namespace,
            "name": "web",
            "generate_name": "",
            "user": {"name": "alice@example.com", "groups": ["system:authenticated", "devs"]},
            "dry_run": False,
        },
        "workload": {"api_version": "apps/v1", "kind": "Deployment", "name": "web", "owner": None},
        "images": list(images) if images else [image()],
        "cluster": "production-eu",
        "replica": "gatecrier-0",
        "timings": {"gate_milliseconds": 1.25},
    }
