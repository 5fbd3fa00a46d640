"""Lets manifests lead to loopback, where there is no kubelet: `... | python -m tests.chart.leading PORT CA`.

Also Helm's post-renderer. The Service becomes a name of loopback, and the webhooks call a port of it, trusting a CA
(base64 of PEM); all else stays as it is.
"""

from __future__ import annotations

import sys

import yaml


def led(manifests: str, port: int, authority: str) -> str:
    """These manifests, leading there."""
    objects = [one for one in yaml.safe_load_all(manifests) if one]
    for one in objects:
        for webhook in one.get("webhooks", []):
            webhook["clientConfig"]["service"]["port"] = port
            webhook["clientConfig"]["caBundle"] = authority
        if (one["kind"], one["metadata"]["name"]) == ("Service", "gatecrier"):
            one["spec"] |= {"type": "ExternalName", "externalName": "localhost"}
    return yaml.safe_dump_all(objects)


def options(port: int, authority: str) -> list[str]:
    """Has Helm do so with what it renders."""
    arguments = ["-m", "tests.chart.leading", str(port), authority]
    return ["--post-renderer", sys.executable, *(f"--post-renderer-args={one}" for one in arguments)]


if __name__ == "__main__":
    sys.stdout.write(led(sys.stdin.read(), int(sys.argv[1]), sys.argv[2]))
