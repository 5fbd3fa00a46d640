"""Seats that fall empty are filled again, whoever died; nobody outlives the supervisor."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.supervision import stage
from tests.supervision.stage import STORIES, Story

ROOT = Path(__file__).parents[2]


def _command(story: Story) -> Sequence[str]:
    code = f"from {stage.__name__} import play; play()"
    return [sys.executable, "-c", code, story.__name__]


def played(story: Story) -> Any:  # noqa: ANN401 - JSON
    """What came of the story."""
    done = subprocess.run(_command(story), cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_a_process_that_was_killed_is_replaced_and_the_others_are_left_alone() -> None:
    """A crash on one side is not felt on the other; who comes next is told the same."""
    found = played(stage.one_is_killed)

    (killed, *killed_knew), other = found["before"]
    assert found["after"][0][0] != killed
    assert found["after"][0][1:] == killed_knew
    assert killed_knew[-1] == "hello 0"
    assert found["after"][1] == other


def test_when_the_nursery_dies_its_children_live_on_and_the_spare_bears_others() -> None:
    """Anybody may kill it, too, and to import everything again takes seconds on a busy machine."""
    found = played(stage.the_nursery_is_killed)

    assert found["meanwhile"] == found["before"]
    assert found["after"][0] == found["before"][0]
    assert found["after"][1][0] != found["before"][1][0]
    assert found["after"][1][-1] == "hello 1"
    assert len({*found["nurseries"]}) == 1
    assert len({*found["spares"]}) == 2


def test_a_spare_of_a_spare_is_like_the_first() -> None:
    """One on the stack of the other would end at a limit some day."""
    assert len({*played(stage.spares_follow_each_other)}) == 1


def test_a_spare_that_was_killed_is_replaced() -> None:
    """Nobody but the nursery would miss it, until it is needed."""
    found = played(stage.the_spare_is_killed)

    assert found["before"] == found["after"]
    assert len({*found["at work"]}) == 1
    assert len({*found["spares"]}) == 2


def test_when_both_nurseries_die_everything_is_imported_anew() -> None:
    """Late is better than never."""
    found = played(stage.both_are_killed)

    assert found["after"][0] == found["before"][0]
    assert found["after"][1][-1] == "hello 1"
    assert len({*found["spares"]}) == 2


def test_whoever_is_killed_at_any_moment_all_are_there_again() -> None:
    """Also somebody who is just being born, or an order that nobody answers."""
    found = played(stage.anybody_is_killed)

    assert found == {"knew": ["hello 0", "hello 1"], "descends": [True] * 4}


def test_a_process_that_hangs_is_replaced() -> None:
    """It would hold its place for ever."""
    found = played(stage.one_hangs)

    assert found["after"][0][0] != found["before"][0][0]


def test_what_a_process_can_not_use_ends_the_start_with_its_words() -> None:
    """An outbox that can't be opened is the operator's to mend, who must be told at once and why."""
    found = played(stage.refused)

    assert found == {"problem": "no such disk", "hopeless": False}


def test_a_process_that_ends_again_and_again_ends_the_start() -> None:
    """A start must not take for ever."""
    found = played(stage.dying)

    assert found == {"problem": "the echo process ended again and again before it was ready", "hopeless": True}


def test_a_seat_that_nobody_cares_for_any_more_is_a_failure() -> None:
    """A defect of ours must not leave the product without a gate while its health is well."""
    assert played(stage.given_up) == "nobody fills the seat of the echo process any more"


def test_lines_of_a_process_reach_whoever_writes_them() -> None:
    """Lines of several processes in one pipe would be torn."""
    assert [*sorted(played(stage.logged))] == ["event-1", "said_by_a_child", "said_in_a_thread"]


def test_nobody_outlives_the_supervisor() -> None:
    """A keeper without supervisor would hold the outbox against the next one."""
    with subprocess.Popen(_command(stage.left_alone), cwd=ROOT, stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        watched = [os.pidfd_open(process) for process in json.loads(supervisor.stdout.readline())]
        supervisor.kill()
    for descriptor in watched:
        ended, _, _ = select.select([descriptor], [], [], 20)
        os.close(descriptor)

        assert ended


def test_every_story_is_told() -> None:
    """A story that nobody plays proves nothing."""
    told = Path(__file__).read_text()

    assert [story.__name__ for story in STORIES if f"stage.{story.__name__}" not in told] == []
