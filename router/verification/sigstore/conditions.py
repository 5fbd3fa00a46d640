"""What an attestation must say, as an expression in CEL over what is attested. Pure.

Source: the Common Expression Language (cel.dev), as its C++ implementation reads it. Rules:

(1) An expression sees `predicate`, `predicate_type` and `subject`, and nothing else; it can't do anything but answer.
(2) What does not compile, or is no question of yes or no, is refused when the configuration is read.
(3) Only `true` is yes. An error (a member that is not there, a comparison of text with a number) is no.
(4) It ends soon: an expression has at most 2,000 characters, and is asked only where a bound of its cost allows that
    (`router.verification.sigstore.condition_costs`). What is too dear is a defect of the attestation: neither yes nor
    no, and whoever attests so much can't pass for it. So is what the implementation itself gives up.

The library is loaded where a configuration has an expression: it takes some 12 MiB.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from router.errors import InvalidSignatureError
from router.reasons import EvidenceFlaw
from router.verification.sigstore.condition_costs import COST_LIMIT, Cost
from router.verification.sigstore.statement import InTotoStatement

if TYPE_CHECKING:
    from cel_expr_python import cel  # type: ignore[import-untyped]  # has stubs, and no py.typed

EXPRESSION_LIMIT = 2000
"""Characters of an expression."""
_GIVEN_UP = "Iteration budget exceeded"
"""What the implementation says where it has counted too many steps."""


class Condition:
    """An expression that is true of an attestation, or not. Equal by its text."""

    __slots__ = ("_compiled", "_cost", "written")

    def __init__(self, written: str) -> None:
        """Compile; raises ValueError where it is no expression that answers yes or no."""
        if len(written) > EXPRESSION_LIMIT:
            raise ValueError(f"an expression has at most {EXPRESSION_LIMIT} characters")
        self.written = written
        self._cost = Cost.of(written)
        environment, kinds = _environment()
        try:
            self._compiled = environment.compile(written)
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"is not a valid expression in CEL: {_first_line(error)}") from error
        if self._compiled.return_type() not in kinds:
            raise ValueError(f"answers with {self._compiled.return_type().name()}, and not with true or false")

    def holds_for(self, statement: InTotoStatement) -> bool:
        """Whether it is true of this statement.

        Raises:
            InvalidSignatureError: It can't be asked about so much (condition_cost).
        """
        data = {
            "predicate": dict(statement.predicate),
            "predicate_type": statement.predicate_type,
            "subject": list(statement.subject),
        }
        if (cost := self._cost.about(data)) > COST_LIMIT:
            raise _too_dear(f"it may take {cost:.0e} steps; at most {COST_LIMIT:.0e} are taken")
        try:
            answer: object = self._compiled.eval(data=data).value()
        except (RuntimeError, ValueError, TypeError, OverflowError) as error:
            if _GIVEN_UP in str(error):
                raise _too_dear("it takes more than ten thousand steps of loops") from error
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


def _too_dear(why: str) -> InvalidSignatureError:
    return InvalidSignatureError(
        f"an attestation says too much for what is asked of it (`where`): {why}", reason=EvidenceFlaw.CONDITION_COST
    )


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].removeprefix("INVALID_ARGUMENT: ERROR: ")[:200]
