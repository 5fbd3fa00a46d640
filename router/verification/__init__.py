"""What can be proven about an image: evidence from its registry, judged by the scheme that a rule names."""

from __future__ import annotations

from router.verification.account import JudgementAccount
from router.verification.catalogue import VerifierSettings
from router.verification.judgement import Judgement
from router.verification.line import Asker
from router.verification.scheme import Signer
from router.verification.turnstile import Turnstile
from router.verification.verifier import Verifier

__all__ = [
    "Asker",
    "Judgement",
    "JudgementAccount",
    "Signer",
    "Turnstile",
    "Verifier",
    "VerifierSettings",
]
