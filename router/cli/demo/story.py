"""What the demo plays: which images there are, what is asked of the gate, and what must come of it."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from pathlib import Path

from router.cli.demo.images import DemoSigner, Images

WATCHED, ENFORCED = "staging", "payments"
"""Namespaces of the story: one only watched, one enforced."""


@dataclass(frozen=True, slots=True)
class Scene:
    """One request and what must come of it."""

    title: str
    kind: str
    namespace: str
    images: tuple[str, ...]
    """Names below the registry."""
    outcome: str
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SceneAnswer:
    """What the gate answered in a scene."""

    scene: Scene
    uid: str
    allowed: bool
    text: str
    """What the person at the terminal reads."""


SCENES = (
    Scene("a signed image, legacy format", "Deployment", WATCHED, ("shop/web:1.4",), "admitted", ("verified",)),
    Scene("the same where it is enforced", "Deployment", ENFORCED, ("shop/web:1.4",), "admitted", ("verified",)),
    Scene("a signed image, bundle format", "Pod", ENFORCED, ("shop/api:2.0",), "admitted", ("verified",)),
    Scene("unsigned, only watched", "Pod", WATCHED, ("shop/tool:0.9",), "admitted", ("unsigned",)),
    Scene("unsigned, enforced", "Pod", ENFORCED, ("shop/tool:0.9",), "rejected", ("unsigned",)),
    Scene("signed by a stranger", "CronJob", WATCHED, ("shop/job:3.1",), "admitted", ("untrusted",)),
    Scene("signed by a stranger, enforced", "CronJob", ENFORCED, ("shop/job:3.1",), "rejected", ("untrusted",)),
    Scene("tampered: another image's signature", "Pod", ENFORCED, ("shop/fake:1.4",), "rejected", ("invalid",)),
    Scene("two of three are fine", "Deployment", ENFORCED, ("shop/web:1.4", "shop/api:2.0", "shop/tool:0.9"),
          "rejected", ("verified", "verified", "unsigned")),
)  # fmt: skip


def fill(images: Images, release: DemoSigner, stranger: DemoSigner) -> None:
    """Make the images of the story and their signatures."""
    web = images.push("shop/web", "1.4")
    images.sign_legacy("shop/web", web, release)
    images.sign_bundle("shop/api", images.push("shop/api", "2.0"), release)
    images.push("shop/tool", "0.9")
    images.sign_legacy("shop/job", images.push("shop/job", "3.1"), stranger)
    images.sign_legacy("shop/fake", images.push("shop/fake", "1.4"), release, about=web)


def review(scene: Scene, registry: str) -> dict[str, object]:
    """The AdmissionReview that an API server would send for this scene."""
    group, version, resource = {
        "Pod": ("", "v1", "pods"),
        "Deployment": ("apps", "v1", "deployments"),
        "CronJob": ("batch", "v1", "cronjobs"),
    }[scene.kind]
    containers = [
        {"name": image.rpartition("/")[2].partition(":")[0], "image": f"{registry}/{image}"} for image in scene.images
    ]
    name = containers[0]["name"]
    kind = {"group": group, "version": version, "kind": scene.kind}
    request = {
        "uid": str(uuid.uuid4()),
        "kind": kind,
        "resource": {"group": group, "version": version, "resource": resource},
        "requestKind": kind,
        "name": name,
        "namespace": scene.namespace,
        "operation": "CREATE",
        "userInfo": {"username": "demo", "groups": ["system:authenticated"]},
        "object": {
            "apiVersion": f"{group}/{version}" if group else version,
            "kind": scene.kind,
            "metadata": {"name": name, "namespace": scene.namespace},
            "spec": _spec(scene.kind, {"containers": containers}),
        },
        "oldObject": None,
        "dryRun": False,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _spec(kind: str, pod: dict[str, object]) -> dict[str, object]:
    template: dict[str, object] = {"template": {"metadata": {"labels": {"app": "demo"}}, "spec": pod}}
    match kind:
        case "Pod":
            return pod
        case "CronJob":
            return {"schedule": "*/5 * * * *", "jobTemplate": {"spec": template}}
        case _:
            return template


def configuration(folder: Path, registry: str, receivers: str, listen: tuple[int, int], signer: DemoSigner) -> Path:
    """Write the configuration of the demo into a folder; returns the file (JSON is YAML)."""
    (folder / "slack-url").write_text(f"http://{receivers}/slack")
    (folder / "release.pub").write_text(signer.public_pem)
    settings = {
        "cluster": "demo",
        "enforcement": {"default": "detect", "namespaces": {ENFORCED: "enforce"}},
        "webhook": {"listen": f"127.0.0.1:{listen[0]}", "tls": "self-signed"},
        "operations": {"listen": f"127.0.0.1:{listen[1]}"},
        "outbox": {"url": "sqlite:///outbox.db"},
        "registries": [{"host": registry, "plain_http": True}],
        "verifiers": [{"name": "shop-keys", "kind": "cosign", "keys": [{"name": "release", "file": "release.pub"}]}],
        "policy": [{"pattern": f"{registry}/shop/*", "verifier": "shop-keys"}],
        "egress": {"allow": ["127.0.0.0/8"]},
        "destinations": [
            {"name": "archive", "kind": "file", "path": "events.jsonl"},
            {"name": "sysdig", "kind": "sysdig", "url": f"http://{receivers}/sysdig", "plain_http": True,
             "token": {"env": "GATECRIER_DEMO_TOKEN"}},
            {"name": "slack", "kind": "slack", "url": {"file": "slack-url"}, "plain_http": True},
            {"name": "siem", "kind": "webhook", "url": f"http://{receivers}/siem", "plain_http": True},
        ],
        "routes": {
            "destinations": ["archive"],
            "routes": [
                {"destinations": ["archive", "sysdig", "siem"], "continue": True},
                {"match": ["decision.would_reject = true"], "destinations": ["slack"]},
            ],
        },
    }  # fmt: skip
    path = folder / "gatecrier.yaml"
    path.write_text(json.dumps(settings, indent=2))
    return path
