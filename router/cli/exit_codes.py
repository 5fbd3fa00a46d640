"""What commands end with.

0 yes, or done; 1 no, refused, or nothing was found; 2 the command line itself is wrong, or names what there is not;
3 it could not be told: the configuration can't be read, there is no outbox, nobody answered, or we made a mistake; 130
interrupted.

Of several answers 1 wins over 3, and 3 over 0: what is known to be wrong does not become uncertain by another that
nobody could look at. Two commands are about the configuration itself, which is a no where it can't be read: `config
check`, and `serve`, which does not start.
"""

from __future__ import annotations

from collections.abc import Iterable

YES, NO, MISUSED, UNKNOWN, INTERRUPTED = 0, 1, 2, 3, 130
_RANK = (YES, UNKNOWN, NO)


def worst(codes: Iterable[int]) -> int:
    """The exit code for all of these answers."""
    return max(codes, key=_RANK.index, default=YES)
