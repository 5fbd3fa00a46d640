"""Asks for each of many, a few at a time, and hands the answers over in order.

Exit codes: 0 yes; 1 no; 2 the command line or the configuration is wrong; 3 could not tell. Of several answers 1 wins
over 3, and 3 over 0: what is known to be wrong does not become uncertain by another that nobody could look at.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from router.cli.asking.terminal import Page, Progress

YES, NO, WRONG, UNKNOWN = 0, 1, 2, 3
AT_ONCE = 8
"""Images or objects that are asked about at the same time."""
_RANK = (YES, UNKNOWN, NO)

Q = TypeVar("Q")
A = TypeVar("A")


def worst(codes: Iterable[int]) -> int:
    """The exit code for all of these."""
    return max(codes, key=_RANK.index, default=YES)


async def in_order(
    questions: Sequence[Q], ask: Callable[[Q], Awaitable[A]], progress: Progress
) -> AsyncIterator[tuple[Q, A]]:
    """Each question with its answer, in order, as soon as those before it have theirs."""
    room = asyncio.Semaphore(AT_ONCE)
    answered = 0

    async def one(question: Q) -> A:
        nonlocal answered
        async with room:
            answer = await ask(question)
        answered += 1
        progress.done(answered)
        return answer

    tasks = [asyncio.ensure_future(one(question)) for question in questions]
    try:
        for question, task in zip(questions, tasks, strict=True):
            answer = await task
            progress.clear()
            yield question, answer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Objects:
    """Answers as JSON: an array, or one a line. What is beyond ASCII is escaped: nothing steers a terminal."""

    def __init__(self, page: Page, *, is_array: bool) -> None:
        self._page = page
        self._is_array = is_array
        self._count = 0

    def add(self, answer: Mapping[str, object]) -> None:
        """Show one."""
        before = ("," if self._count else "[") if self._is_array else ""
        self._page.raw(before + json.dumps(answer))
        self._count += 1

    def end(self) -> None:
        """No more come."""
        if self._is_array:
            self._page.raw("]" if self._count else "[]")
