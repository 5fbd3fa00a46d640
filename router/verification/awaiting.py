"""A scheme whose trusted root has not come yet: it can prove nothing, and looks at nothing. Pure.

A repository of one's own is asked for the first time when nothing is known of it. Until it has answered, an image of
such a verifier is `unverifiable(trust_missing)`, which is nobody's doing but ours, and so is never tolerated.
"""

from __future__ import annotations

from typing import NoReturn

from router.errors import UnverifiableError
from router.steps import Steps
from router.verification.evidence import Evidence
from router.verification.scheme import Demands, Findings
from router.verification.sought import Sought
from router.verification.trust import Trust

_NOWHERE = Sought(())


class AwaitingRoot:
    """Proves nothing, until there is a root that another scheme can be made with.

    Args:
        name: What the operator calls the root.
    """

    needs_evidence = True
    sought = _NOWHERE

    def __init__(self, name: str) -> None:
        self.trust = Trust(f"awaiting {name}", None)
        self._name = name

    def examine(self, news: Evidence, found: Findings, trust: Trust[None]) -> Steps[None]:  # noqa: ARG002 - as every scheme
        """Nothing is looked at."""
        yield from ()

    def prove(self, found: Findings, demands: Demands, trust: Trust[None], now: float) -> NoReturn:  # noqa: ARG002 - as every scheme
        """Nothing can be proven; raises UnverifiableError."""
        raise UnverifiableError(
            f'the trusted root "{self._name}" has not been fetched from its repository yet', reason="trust_missing"
        )
