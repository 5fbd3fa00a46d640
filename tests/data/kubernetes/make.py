"""Makes schemas.json and crds.json beside this file: what the kinds of our manifests may hold.

    python tests/data/kubernetes/make.py 1.30.14=swagger.json 1.35.0=other.json [crd.yaml ...]

Each file is `api/openapi-spec/swagger.json` of that release. Kept are the kinds below and what they are made of,
without descriptions, each definition once for all releases in which it is the same; a release says which variant it has
where that is not the first. Files that end in .yaml are custom resource definitions, kept whole but for descriptions
and, of cert-manager's Issuer, the issuers that we do not name.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

import yaml

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
FOREIGN = ("acme", "vault", "venafi")
KINDS = (
    "io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration",
    "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicy",
    "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBinding",
    "io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration",
    "io.k8s.api.apps.v1.StatefulSet",
    "io.k8s.api.coordination.v1.Lease",
    "io.k8s.api.core.v1.ConfigMap",
    "io.k8s.api.core.v1.Namespace",
    "io.k8s.api.core.v1.Secret",
    "io.k8s.api.core.v1.Service",
    "io.k8s.api.core.v1.ServiceAccount",
    "io.k8s.api.networking.v1.NetworkPolicy",
    "io.k8s.api.policy.v1.PodDisruptionBudget",
    "io.k8s.api.rbac.v1.ClusterRole",
    "io.k8s.api.rbac.v1.ClusterRoleBinding",
    "io.k8s.api.rbac.v1.Role",
    "io.k8s.api.rbac.v1.RoleBinding",
    "io.k8s.api.scheduling.v1.PriorityClass",
)


def bare(schema: Json) -> Json:
    """Without descriptions."""
    if isinstance(schema, dict):
        return {key: bare(value) for key, value in schema.items() if key != "description" or isinstance(value, dict)}
    return [bare(value) for value in schema] if isinstance(schema, list) else schema


def needed(definitions: dict[str, Json]) -> dict[str, Json]:
    """The kinds, and all that they lead to."""
    names: dict[str, Json] = {}
    ahead = list(KINDS)
    while ahead:
        name = ahead.pop()
        if name not in names:
            names[name] = bare(definitions[name])
            text = json.dumps(names[name])
            ahead += [part.split('"')[0] for part in text.split('"$ref": "#/definitions/')[1:]]
    return names


def custom(path: str) -> Json:
    """A custom resource definition."""
    read = yaml.safe_load(Path(path).read_text())
    made = {**read, "spec": bare(read["spec"])}
    made["metadata"] = {"name": made["metadata"]["name"]}
    made.pop("status", None)
    for version in made["spec"]["versions"]:
        spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        if made["spec"]["names"]["kind"] == "Issuer":
            for name in FOREIGN:
                del spec[name]
    return made


def write(name: str, made: Json) -> None:
    """A file beside this one."""
    Path(__file__).with_name(name).write_text(json.dumps(made, separators=(",", ":")) + "\n")


def main(arguments: Sequence[str]) -> None:
    """Write both files."""
    write("crds.json", [custom(path) for path in arguments if path.endswith(".yaml")])
    definitions: dict[str, list[Json]] = {}
    releases: dict[str, dict[str, int]] = {}
    for argument in arguments:
        if argument.endswith(".yaml"):
            continue
        release, _, path = argument.partition("=")
        releases[release] = {}
        for name, schema in sorted(needed(json.loads(Path(path).read_text())["definitions"]).items()):
            variants = definitions.setdefault(name, [])
            if schema not in variants:
                variants.append(schema)
            if index := variants.index(schema):
                releases[release][name] = index
    made: Json = {"definitions": {**definitions}, "releases": {name: {**found} for name, found in releases.items()}}
    write("schemas.json", made)


if __name__ == "__main__":
    main(sys.argv[1:])
