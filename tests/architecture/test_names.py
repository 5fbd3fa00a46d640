"""One word, one meaning: no two types that modules offer each other are called the same."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def types_of(tree: ast.Module) -> Iterator[str]:
    """The public types that a module defines: classes, and names for types."""
    for one in tree.body:
        match one:
            case ast.ClassDef(name=name):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), annotation=ast.Name(id="TypeAlias")):
                pass
            case _:
                continue
        if not name.startswith("_"):
            yield name


def repeated(trees: Mapping[str, ast.Module]) -> Mapping[str, Sequence[str]]:
    """Each type that several modules define, and which."""
    found = defaultdict[str, list[str]](list)
    for module, tree in trees.items():
        for name in set(types_of(tree)):
            found[name].append(module)
    return {name: sorted(modules) for name, modules in found.items() if len(modules) > 1}


def test_every_type_of_the_product_has_a_name_of_its_own() -> None:
    trees = {str(path.relative_to(ROOT)): ast.parse(path.read_text()) for path in (ROOT / "router").rglob("*.py")}
    assert repeated(trees) == {}


def test_a_name_with_two_meanings_is_found() -> None:
    trees = {
        "one": ast.parse("class Answer: ...\nclass _Own: ...\nclass Question: ..."),
        "other": ast.parse("Answer: TypeAlias = str\nclass _Own: ...\nQuestion = 1"),
    }
    assert repeated(trees) == {"Answer": ["one", "other"]}
