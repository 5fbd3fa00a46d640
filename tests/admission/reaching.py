"""What of us is called while requests are answered."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from types import CodeType, FrameType
from unittest.mock import patch

from router.verification import turnstile
from tests.admission.endpoint import Endpoint
from tests.admission.world import World
from tests.patience import PATIENCE


def reached(world: World, ask: Callable[[Endpoint], Awaitable[object]]) -> set[CodeType]:
    """The functions of ours that are called while this is asked.

    The turnstile's tick would come or not, as the machine is busy or not, and all workers must find the same: it comes
    later than anybody waits.
    """
    found: set[CodeType] = set()

    def called(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and f"{os.sep}router{os.sep}" in frame.f_code.co_filename:
            found.add(frame.f_code)

    async def story() -> None:
        async with Endpoint(world).running() as endpoint:
            sys.setprofile(called)
            try:
                await ask(endpoint)
            finally:
                sys.setprofile(None)

    with patch.object(turnstile, "_TICK_SECONDS", PATIENCE):
        asyncio.run(story())
    return found
