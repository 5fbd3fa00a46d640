"""What releases of Kubernetes, cert-manager and Prometheus' operator would say of an object: nothing, or why not.

Unknown fields are faults here, as they are to `kubectl apply` (strict). Where the schemas are from:
`tests/data/kubernetes/README.md`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # it ships no types

DATA = Path(__file__).resolve().parents[1] / "data" / "kubernetes"
CRDS: list[dict[str, Any]] = json.loads((DATA / "crds.json").read_text())
_KNOWN: dict[str, Any] = json.loads((DATA / "schemas.json").read_text())
RELEASES = tuple(_KNOWN["releases"])
_INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


def faults(found: dict[str, Any], release: str) -> list[str]:
    """What is wrong with an object; empty where nothing is."""
    errors: Iterator[jsonschema.ValidationError] = _validator(found["apiVersion"], found["kind"], release).iter_errors(
        found
    )
    return [f"{error.json_path}: {error.message}" for error in errors]


@cache
def _validator(version: str, kind: str, release: str) -> jsonschema.Draft7Validator:
    for crd in CRDS:
        spec = crd["spec"]
        for served in spec["versions"]:
            if (f"{spec['group']}/{served['name']}", spec["names"]["kind"]) == (version, kind):
                schema = _closed(served["schema"]["openAPIV3Schema"])
                return jsonschema.Draft7Validator({**schema, "additionalProperties": True})
    chosen = _KNOWN["releases"][release]
    definitions = {
        name: _closed(variants[min(chosen.get(name, 0), len(variants) - 1)])
        for name, variants in _KNOWN["definitions"].items()
    }
    definitions[_INT_OR_STRING] = {"type": ["integer", "string"]}
    group, _, short = version.rpartition("/")
    wanted = {"group": group, "kind": kind, "version": short}
    (name,) = [
        name for name, schema in definitions.items() if wanted in schema.get("x-kubernetes-group-version-kind", [])
    ]
    return jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": definitions})


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema that takes no unknown field."""
    made = {key: _closed(value) if isinstance(value, dict) else value for key, value in schema.items()}
    if schema.get("x-kubernetes-int-or-string"):
        made.pop("type", None)
    if isinstance(schema.get("properties"), dict) and "type" in schema and "additionalProperties" not in schema:
        made["additionalProperties"] = False
    return made
