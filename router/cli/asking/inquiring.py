"""Asks the gate's engine about each of many, a few at a time, and shows the answers in order.

Rules:
(1) Each answer is shown as soon as those before it are, in the form that is wanted (`router.cli.answering`).
(2) How far it is, is told on standard error (`router.cli.pages`).
(3) What is raised ends everything that is under way.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from router.assembly.inquiry import Inquiry
from router.cli.answering import JsonObjects
from router.cli.pages import Page, Progress
from router.settings.judging import JudgedBy

AT_ONCE = 8
"""Images or objects that are asked about at the same time."""

Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True, slots=True)
class Manner(Generic[Q, A]):
    """How questions of one sort are asked, and what is shown of their answers."""

    noun: str
    """What is asked about, for whoever waits."""
    ask: Callable[[Inquiry, Q], Awaitable[A]]
    show: Callable[[Page, A], None]
    """For people."""
    as_object: Callable[[A], Mapping[str, object]]
    """For programs."""


async def inquired(
    arguments: argparse.Namespace, judged_by: JudgedBy, questions: Sequence[Q], manner: Manner[Q, A]
) -> Sequence[A]:
    """Ask about each, and show its answer (1)."""
    page, answers = Page(), list[A]()
    objects = JsonObjects.wanted(page, arguments)
    async with Inquiry(judged_by, arguments.timeout) as inquiry:

        async def ask(question: Q) -> A:
            return await manner.ask(inquiry, question)

        async for answer in in_order(questions, ask, Progress(len(questions), manner.noun)):
            answers.append(answer)
            if objects is None:
                manner.show(page, answer)
            else:
                objects.add(manner.as_object(answer))
    if objects is not None:
        objects.end()
    return answers


async def in_order(questions: Sequence[Q], ask: Callable[[Q], Awaitable[A]], progress: Progress) -> AsyncIterator[A]:
    """The answer to each question, in order, as soon as those before it have theirs."""
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
        for task in tasks:
            answer = await task
            progress.clear()
            yield answer
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
