"""Makes `ecs-9.4.0.json` of a checkout of elastic/ecs at that tag: see README.md.

python make_ecs.py CHECKOUT > ecs-9.4.0.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import yaml


def reduced(field: dict[str, Any]) -> dict[str, Any]:
    """Type, whether it is a list, and which values and types of events are allowed; no descriptions."""
    allowed = {one["name"]: one.get("expected_event_types") for one in field.get("allowed_values", ())}
    return {
        "type": field["type"],
        **({"is_array": True} if "array" in field["normalize"] else {}),
        **({"allowed": allowed} if allowed else {}),
    }


checkout = Path(sys.argv[1])
fields = yaml.safe_load((checkout / "generated" / "ecs" / "ecs_flat.yml").read_text())
listed = {line.split(",")[3] for line in (checkout / "generated" / "csv" / "fields.csv").read_text().splitlines()[1:]}
made = {name: reduced(field) for name, field in fields.items() if name in listed}
lines = ",\n".join(f" {json.dumps(name)}: {json.dumps(one)}" for name, one in sorted(made.items()))
sys.stdout.write(f"{{\n{lines}\n}}\n")
