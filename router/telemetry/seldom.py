"""Lines that others can cause as often as they like: the first at once, then at most one a minute, with a count.

    held_back = self._seldom.turn(f"body_refused {status}")
    if held_back is not None:
        log.warning("body_refused", status=status, held_back=held_back)

Rules:
(1) The first of a key is logged at once; whatever comes within `every` seconds after the last one that was logged is
    only counted, and the next one that is logged says how many those were.
(2) Keys are bounded in number and length. While all places are taken by keys that were logged a moment ago, further
    keys share one place: whoever can choose keys gets one line more a minute, not one for each.
(3) A count that finds no line of its own any more (its key made room for another) goes to that shared place.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

MINUTE = 60.0
KEYS = 1000
KEY_LIMIT = 200
"""Characters of a key that tell it from others."""
_SHARED = ""


@dataclass(slots=True)
class _Logged:
    at: float
    held_back: int = 0


class Seldom:
    """Whose turn it is.

    Args:
        every: Seconds between two lines of one key.
        keys: How many keys are known at once.
        clock: Seconds that only grow.
    """

    def __init__(self, *, every: float = MINUTE, keys: int = KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._keys = keys
        self._clock = clock
        self._logged: dict[str, _Logged] = {}  # the one that was logged longest ago first
        self._shared_count = 0
        self._lock = threading.RLock()  # lines come from any thread, and from finalizers within one another

    def turn(self, key: str) -> int | None:
        """None where this one is to be silent, else how many were held back since the last one that was logged."""
        with self._lock:
            now = self._clock()
            key = self._placed(key[:KEY_LIMIT], now)
            last = self._logged.get(key)
            if last is not None and now - last.at < self._every:
                last.held_back += 1
                return None
            self._logged.pop(key, None)
            self._logged[key] = _Logged(now)
            held_back = last.held_back if last is not None else 0
            if key == _SHARED:
                held_back, self._shared_count = held_back + self._shared_count, 0
            return held_back

    def _placed(self, key: str, now: float) -> str:
        """The key under which this one is counted."""
        if key in self._logged or len(self._logged) < self._keys:
            return key
        oldest, last = next(iter(self._logged.items()))
        if now - last.at < self._every:
            return _SHARED
        self._shared_count += last.held_back
        del self._logged[oldest]
        return key
