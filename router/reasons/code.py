"""What a reason code is: a text with a meaning and a remedy, and the remedies that several of them share. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

TARGET = "IMAGE"
"""What a remedy calls the image, by digest where that is known."""
SIGN = f"Sign it with: cosign sign --key ... {TARGET}"
SIGN_AGAIN = "Find out who pushed that signature, remove it, and sign the image again."
ASK_REGISTRY = "Try again; if it stays so, ask whoever runs the registry."


class Reason(StrEnum):
    """A public code."""

    meaning: str
    """What it says, as the rest of a sentence that begins with it."""
    remedy: str
    """What whoever deploys the image, or runs Gatecrier, does about it: whole sentences, with `TARGET` in them."""

    def __new__(cls, code: str, meaning: str, remedy: str) -> Self:
        """A member; its value is the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        return member
