"""The part of a configuration that says who is trusted, for `gatecrier trust`."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from router.settings.part import OutboxPart
from router.verification.catalogue import VerifierSettings
from router.verification.trust_roots import TrustRootSettings


class TrustPart(OutboxPart):
    """Who is trusted, and where what is known of them is kept: beside the outbox."""

    trust_roots: tuple[TrustRootSettings, ...] = ()
    verifiers: tuple[VerifierSettings, ...] = ()

    @model_validator(mode="after")
    def _verifiers_know_their_roots(self) -> Self:
        for verifier in self.verifiers:
            verifier.bind(self.trust_roots, self.verifiers)
        return self
