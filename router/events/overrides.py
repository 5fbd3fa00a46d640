"""What events say of overrides: by what something was let in that fails. Pure."""

from __future__ import annotations

from typing import Final

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

STRICT: Final = ConfigDict(extra="forbid", use_attribute_docstrings=True)
"""How every part of an event is described."""


@with_config(STRICT)
class ExemptionData(TypedDict):
    """By what an image that fails is let in, and what is true of it."""

    pattern: str
    """Pattern of the exemption."""
    reason: str
    """Who allowed it and why."""
    until: str
    """When it ends: RFC 3339, UTC."""
    true_verdict: str
    """The verdict that the image has without it."""
    true_reason: str
    """The code for the cause of that."""


@with_config(STRICT)
class GrantData(TypedDict):
    """What a broken glass lets in, and by whom."""

    id: str
    """The id of the event of the request that has broken it."""
    by: str
    """The user who has."""
    until: str
    """Until when controllers' objects with its images are let in in its namespace: RFC 3339, UTC."""
    is_new: bool
    """Whether this very request has broken it."""
