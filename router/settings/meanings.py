"""What each field of a part of the configuration means: the text beneath it in the source, read where it is asked for.

The schema, the reference and messages about what is missing need it; a start does not, and reading the source of some
fifty classes takes longer than making them (pydantic's `use_attribute_docstrings` reads it when each is made). The
classes are those of modules: one that a function makes has no text.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise

from pydantic import BaseModel


@cache
def meanings_in(model: type[BaseModel]) -> Mapping[str, str]:
    """The texts beneath the fields of a class, and of those that it is made of, by the fields' names in Python."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if issubclass(part, BaseModel) and part is not BaseModel:
            found.update(_written_in(part))
    return {name: text for name, text in found.items() if name in model.model_fields}


def _written_in(part: type[BaseModel]) -> Mapping[str, str]:
    return _written_in_module(part.__module__).get(part.__qualname__, {})


@cache
def _written_in_module(name: str) -> Mapping[str, Mapping[str, str]]:
    """The texts beneath the fields of each class of a module: its source is read once, not for each class."""
    return dict(_classes(ast.parse(inspect.getsource(sys.modules[name])).body, ""))


def _classes(body: Sequence[ast.stmt], within: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for one in body:
        if isinstance(one, ast.ClassDef):
            yield within + one.name, _texts(one.body)
            yield from _classes(one.body, f"{within}{one.name}.")


def _texts(body: Sequence[ast.stmt]) -> Mapping[str, str]:
    found = {}
    for field, text in pairwise(body):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as meaning)):
                found[name] = inspect.cleandoc(meaning)
            case _:
                pass
    return found
