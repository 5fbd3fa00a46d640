"""The schema of the chart's values: what is written by hand, and within `config` the configuration's own schema.

So `helm install` refuses a configuration that the program would refuse, before anything is changed, as far as a schema
can say it. What the chart adds to the configuration (`webhook.tls`) may not stand in the values.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from router.settings.schema import schema

ROOT = Path(__file__).resolve().parents[2]
WRITTEN = ROOT / "config" / "helm" / "values.schema.yaml"
MADE = "config/helm/gatecrier/values.schema.json"
_OF_THE_CHART = {"WebhookSettings": "tls"}
"""Parts of the configuration, and what of each the chart says."""


def values_schema() -> str:
    """`values.schema.json`."""
    made: dict[str, Any] = yaml.safe_load(WRITTEN.read_text())
    whole: dict[str, Any] = dict(schema())
    definitions = whole.pop("$defs")
    for name, key in _OF_THE_CHART.items():
        part = definitions[name]
        del part["properties"][key]
        part["required"] = [required for required in part["required"] if required != key]
    configuration = {key: value for key, value in whole.items() if key not in {"$schema", "title"}}
    made["properties"]["config"] |= {**configuration, "description": made["properties"]["config"]["description"]}
    made["$defs"] |= definitions
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"
