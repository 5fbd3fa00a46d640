"""The codes of what is wrong with evidence are public: the documentation has them all."""

from __future__ import annotations

import ast
from pathlib import Path

import router.verification
from router.verification.evidence import Flaw

ROOT = Path(__file__).parent.parent.parent
CONCEPTS = (ROOT / "docs" / "concepts.md").read_text()


def _row(verdict: str) -> str:
    return next(line for line in CONCEPTS.splitlines() if line.startswith(f"| `{verdict}` | `"))


def reasons_in_code() -> set[str]:
    """What an UntrustedSignatureError is raised with anywhere."""
    found = set()
    for path in Path(router.verification.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UntrustedSignatureError":
                found |= {
                    word.value.value
                    for word in node.keywords
                    if word.arg == "reason"
                    and isinstance(word.value, ast.Constant)
                    and isinstance(word.value.value, str)
                }
    return found


def test_every_flaw_is_documented() -> None:
    assert {flaw for flaw in Flaw if f"`{flaw}`" not in _row("invalid")} == set()


def test_every_reason_of_untrusted_is_documented() -> None:
    assert len(reasons_in_code()) > 5
    assert {reason for reason in reasons_in_code() if f"`{reason}`" not in _row("untrusted")} == set()
