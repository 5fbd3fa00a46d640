"""Which users are controllers: their objects are made of others, and their word about owners counts. Pure."""

from __future__ import annotations

import re
from functools import lru_cache


def is_believed(user: str, controllers: tuple[str, ...]) -> bool:
    """Whether this user is one of these patterns, in which `*` stands for any part of a name."""
    return _believed(controllers).fullmatch(user) is not None


@lru_cache(maxsize=4)
def _believed(controllers: tuple[str, ...]) -> re.Pattern[str]:
    texts = (".*".join(map(re.escape, pattern.split("*"))) for pattern in controllers)
    return re.compile("|".join(f"(?:{text})" for text in texts) or r"(?!)", re.DOTALL)
