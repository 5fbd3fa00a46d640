"""What an attestation must say, as an expression in CEL over what is attested. Pure.

Source: the Common Expression Language (cel.dev), as its C++ implementation reads it. Rules:

(1) An expression sees `predicate`, `predicate_type` and `subject`, and nothing else; it can't do anything but answer.
(2) What does not compile, or is no question of yes or no, is refused when the configuration is read.
(3) Only `true` is yes. An error (a member that is not there, a comparison of text with a number) is no.
(4) It ends: CEL has no loops but over what is there, the implementation counts their steps (ten thousand) and bounds
    the depth, and an expression has at most 2,000 characters.

The library is loaded where a configuration has an expression: it takes some 12 MiB.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from router.verification.sigstore.statement import Statement

if TYPE_CHECKING:
    from cel_expr_python import cel  # type: ignore[import-untyped]  # has stubs, and no py.typed

EXPRESSION_LIMIT = 2000
"""Characters of an expression."""


class Condition:
    """An expression that is true of an attestation, or not. Equal by its text."""

    __slots__ = ("_compiled", "written")

    def __init__(self, written: str) -> None:
        """Compile; raises ValueError where it is no expression that answers yes or no."""
        if len(written) > EXPRESSION_LIMIT:
            raise ValueError(f"an expression has at most {EXPRESSION_LIMIT} characters")
        self.written = written
        environment, kinds = _environment()
        try:
            self._compiled = environment.compile(written)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"is not a valid expression in CEL: {_first_line(error)}") from error
        if self._compiled.return_type() not in kinds:
            raise ValueError(f"answers with {self._compiled.return_type().name()}, and not with true or false")

    def holds_for(self, statement: Statement) -> bool:
        """Whether it is true of this statement."""
        data = {
            "predicate": dict(statement.predicate),
            "predicate_type": statement.predicate_type,
            "subject": list(statement.subject),
        }
        try:
            answer: object = self._compiled.eval(data=data).value()
        except (RuntimeError, ValueError, TypeError, OverflowError):
            return False
        return answer is True

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.written == other.written

    def __hash__(self) -> int:
        return hash(self.written)

    def __repr__(self) -> str:
        return f"Condition({self.written!r})"


@cache
def _environment() -> tuple[cel.Env, tuple[cel.Type, ...]]:
    """Where expressions are compiled, and of which types their answers may be."""
    from cel_expr_python import cel  # noqa: PLC0415 - loaded only where it is used

    kind = cel.Type
    variables = {
        "predicate": kind.Map(kind.STRING, kind.DYN),
        "predicate_type": kind.STRING,
        "subject": kind.List(kind.DYN),
    }
    return cel.NewEnv(variables=variables), (kind.BOOL, kind.DYN)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].removeprefix("INVALID_ARGUMENT: ERROR: ")[:200]
