"""A Protocol stays where two classes of the product are one; a test's double does not count."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROUTER = Path(__file__).resolve().parents[2] / "router"
IN_ANOTHER_PROCESS = "MetricsObserver"
"""Whatever it implements, `telemetry.forwarding` makes a second time of it, for a process whose facts go to another."""
MODELLED = {"Queue", "Records"}
"""Roles of the outbox, which the contract suite holds a model in memory to beside the one of the product."""


@dataclass(frozen=True)
class Class:
    """A class as it is written."""

    name: str
    parents: Sequence[str]
    members: frozenset[str]
    """What its instances have, those of its parents left out."""

    @property
    def is_protocol(self) -> bool:
        """Whether it is one."""
        return "Protocol" in self.parents


def classes_in(tree: ast.AST) -> Iterator[Class]:
    """Every class of a module."""
    for one in ast.walk(tree):
        if isinstance(one, ast.ClassDef):
            parents = [base.value if isinstance(base, ast.Subscript) else base for base in one.bases]
            yield Class(one.name, [ast.unparse(base) for base in parents], frozenset(_members(one)))


def _members(of: ast.ClassDef) -> Iterator[str]:
    for one in ast.walk(of):
        match one:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield name
            case _:
                pass


def implementing(protocol: Class, classes: Sequence[Class]) -> Sequence[Class]:
    """Those that have all that it asks for."""
    by_name: Mapping[str, Class] = {one.name: one for one in classes}
    wanted = _whole(protocol, by_name)
    return [one for one in classes if not one.is_protocol and wanted <= _whole(one, by_name)]


def _whole(one: Class, by_name: Mapping[str, Class]) -> frozenset[str]:
    parents = [by_name[name] for name in one.parents if name in by_name and name != one.name]
    return one.members.union(*(_whole(parent, by_name) for parent in parents))


def test_each_protocol_has_two_real_implementations() -> None:
    """With one, the class itself, or what can be called, says as much and is found at once.

    The whole product is read here and not while tests are collected, which every worker does.
    """
    classes = [one for path in sorted(ROUTER.rglob("*.py")) for one in classes_in(ast.parse(path.read_text()))]
    protocols = [one for one in classes if one.is_protocol and one.name not in MODELLED]
    found = {protocol.name: [one.name for one in implementing(protocol, classes)] for protocol in protocols}

    assert len(found) > 10
    assert [(name, by) for name, by in found.items() if len(by) + (IN_ANOTHER_PROCESS in by) < 2] == []


def test_one_implementation_is_found_out() -> None:
    """A class that lacks a member is none, what a parent has counts, and no Protocol implements another."""
    written = """
class Wire(Protocol):
    def send(self): ...
    def close(self): ...
class Closing:
    def close(self): ...
class Stream(Closing):
    def send(self): ...
class Half:
    def send(self): ...
class Same(Protocol):
    def send(self): ...
    def close(self): ...
"""
    classes = list(classes_in(ast.parse(written)))

    assert [one.name for one in implementing(classes[0], classes)] == ["Stream"]
