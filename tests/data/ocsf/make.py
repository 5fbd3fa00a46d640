"""Makes `schema.json` of a checkout of ocsf/ocsf-schema, compiled: see README.md.

python -m ocsf.compile CHECKOUT > compiled.json     # of ocsf-lib 0.10.4
python make.py compiled.json > schema.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CLASSES = ("detection_finding", "compliance_finding")
OBJECTS = ("metadata", "product", "finding_info", "analytic", "compliance", "resource_details")
"""What our templates use."""
KEPT = ("requirement", "type", "is_array", "profile")


def reduced(definition: dict[str, Any]) -> dict[str, Any]:
    """Names, types, requirements, enumerations and constraints; no descriptions."""
    attributes = {}
    for name, one in definition["attributes"].items():
        attributes[name] = {key: one[key] for key in KEPT if one.get(key)}
        if one.get("enum"):
            attributes[name]["enum"] = {key: value["caption"] for key, value in one["enum"].items()}
    return {"uid": definition.get("uid"), "attributes": attributes, "constraints": definition.get("constraints")}


compiled = json.loads(Path(sys.argv[1]).read_text())
made = {
    "version": compiled["version"],
    "classes": {name: reduced(compiled["classes"][name]) for name in CLASSES},
    "objects": {name: reduced(compiled["objects"][name]) for name in OBJECTS},
}
sys.stdout.write(json.dumps(made, indent=1, sort_keys=True) + "\n")
