"""Whatever standard error is, whoever logs goes on at once, and what can be written is."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from router.telemetry import line_queue
from router.telemetry.line_queue import FILE_CHUNK, PIPE_CHUNK, LineQueue

STAMP = "2026-01-01T00:00:00Z"
LINE = b"x" * 999 + b"\n"


def gap(missing: int, mistake: Exception | None = None) -> bytes:
    """What stands where lines are missing."""
    return b"missing %d%s\n" % (missing, b"" if mistake is None else f" by {mistake!r}".encode())


class Pipe:
    """A pipe that somebody may read."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()
        self.queue = LineQueue(self.write_end, gap, ordinary=100_000, events=50_000)
        self.is_read = True

    def reader_leaves(self) -> None:
        """Close the other end."""
        if self.is_read:
            os.close(self.read_end)
        self.is_read = False

    def read_all(self, until: bytes) -> bytes:
        """Everything up to a line."""
        data = b""
        while until not in data:
            data += os.read(self.read_end, 1 << 16)
        return data

    def dispose(self) -> None:
        """End the thread, also one that hangs in a write, before the number is somebody else's."""
        self.queue._has_ended = True
        self.reader_leaves()
        self.queue.close(0)
        if self.queue._thread is not None:
            self.queue._thread.join(10)
        os.close(self.write_end)


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """One that nobody reads yet."""
    made = Pipe()
    yield made
    made.dispose()


def written_by(monkeypatch: pytest.MonkeyPatch, descriptor: int, write: Callable[[bytes], int]) -> None:
    """Have writes to this descriptor done so; others are as ever."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda where, data: write(data) if where == descriptor else real(where, data))


def parts_of(data: bytes) -> list[bytes]:
    """The bodies of the events in it, put together."""
    bodies: dict[str, list[str]] = {}
    for line in data.splitlines():
        if line.startswith(b'{"event":"event_part"'):
            part = json.loads(line)
            bodies.setdefault(part["event_id"], []).append(part["json"])
    return ["".join(pieces).encode() for pieces in bodies.values()]


def test_nobody_waits_for_a_reader_and_memory_is_bounded(pipe: Pipe) -> None:
    """A collector that hangs used to hang the gate after 64 KiB of lines."""
    for _ in range(5000):
        pipe.queue.put(LINE)

    assert pipe.queue._size <= 100_000
    assert pipe.queue.dropped["ordinary"] > 4700
    assert not pipe.queue.flush(0.05)


def test_what_is_missing_is_said_at_its_place_and_everything_is_accounted_for(pipe: Pipe) -> None:
    """A log with a silent gap is taken for a log without one."""
    for number in range(3000):
        pipe.queue.put(b"line %d %s\n" % (number, b"x" * 200))
    pipe.queue.put(b"last\n")
    expected = missing = 0
    for line in pipe.read_all(b"last\n").splitlines()[:-1]:
        what, number = line.split()[0], int(line.split()[1])
        if what == b"missing":
            expected, missing = expected + number, missing + number
            continue
        assert number == expected
        expected += 1

    assert expected == 3000
    assert missing == pipe.queue.dropped["ordinary"] > 0


def test_lines_make_room_for_an_event_even_those_that_wait(pipe: Pipe) -> None:
    """What the outbox could not take has no other place; a line about a decision has."""
    for _ in range(500):
        pipe.queue.put(LINE)
    body = json.dumps({"text": "e" * 140_000}).encode()
    taken = pipe.queue.put_event("event-1", body, STAMP)
    waiting = len(pipe.queue._lines)
    for _ in range(500):
        pipe.queue.put(LINE)
    pipe.queue.put(b"last\n")

    assert taken
    assert waiting < 20
    assert parts_of(pipe.read_all(b"last\n")) == [body]


def test_events_have_room_that_lines_never_take(pipe: Pipe) -> None:
    for _ in range(500):
        pipe.queue.put(LINE)
    before = pipe.queue.dropped
    pipe.queue.put_event("event-1", b"e" * 40_000, STAMP)

    assert pipe.queue.dropped == before


def test_huge_events_do_not_push_out_small_ones(pipe: Pipe) -> None:
    """Whoever makes events of megabytes while the disk is full must not hide everybody else's."""
    huge = [pipe.queue.put_event(f"huge-{number}", b"h" * 60_000, STAMP) for number in range(20)]
    small = [pipe.queue.put_event(f"small-{number}", b"s" * 500, STAMP) for number in range(60)]
    again = pipe.queue.put_event("huge-again", b"h" * 130_000, STAMP)
    pipe.queue.put(b"last\n")
    found = parts_of(pipe.read_all(b"last\n"))

    assert not all(huge)
    assert all(small)
    assert not again
    assert found.count(b"s" * 500) == 60
    assert len(found) + pipe.queue.dropped["event"] == 81


def test_an_event_that_is_larger_than_everything_is_refused_and_counted(pipe: Pipe) -> None:
    assert not pipe.queue.put_event("event-1", b"e" * 200_000, STAMP)
    assert pipe.queue.dropped["event"] == 1


def test_lines_and_events_keep_their_order(pipe: Pipe) -> None:
    pipe.queue.put(b"first\n")
    pipe.queue.put_event("event-1", b"body", STAMP)
    pipe.queue.put(b"last\n")
    lines = pipe.read_all(b"last\n").splitlines()

    assert [lines[0], lines[2]] == [b"first", b"last"]
    assert json.loads(lines[1])["json"] == "body"


def test_a_pipe_is_given_whole_lines_of_at_most_what_it_takes_at_once(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond 4 KiB a pipe may take a part, and another writer's line may stand in between."""
    written: list[bytes] = []

    def write(data: bytes) -> int:
        written.append(data)
        return len(data)

    written_by(monkeypatch, pipe.write_end, write)
    for number in range(300):
        pipe.queue.put(b"x" * (number * 13 % 3000) + b"\n")
    pipe.queue.put_event("event-1", b"e" * 40_000, STAMP)

    assert pipe.queue.flush(10)
    assert max(map(len, written)) <= PIPE_CHUNK
    assert all(data.endswith(b"\n") for data in written)
    assert len(written) < 200


def test_a_line_that_is_longer_than_a_pipe_takes_comes_whole(pipe: Pipe) -> None:
    pipe.queue.put(b"y" * 16_000 + b"\n")

    assert pipe.read_all(b"\n") == b"y" * 16_000 + b"\n"


def test_a_file_is_written_in_large_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every system call costs a turn with Python's lock."""
    sizes: list[int] = []

    def write(data: bytes) -> int:
        sizes.append(len(data))
        return len(data)

    with (tmp_path / "log").open("wb") as file:
        made = LineQueue(file.fileno(), gap)
        written_by(monkeypatch, file.fileno(), write)
        with made._lock:
            for _ in range(200):
                made.put(LINE)
        assert made.flush(10)
        made.close()

    assert max(sizes) == FILE_CHUNK // 1000 * 1000


def test_a_reader_that_left_costs_lines_and_nothing_else(pipe: Pipe) -> None:
    pipe.reader_leaves()
    for _ in range(5000):
        pipe.queue.put(LINE)

    assert pipe.queue._size <= 100_000
    assert not pipe.queue.flush(5)


def test_a_device_that_is_full_costs_lines_and_nothing_else() -> None:
    with Path("/dev/full").open("wb", buffering=0) as full:
        made = LineQueue(full.fileno(), gap, ordinary=10_000)
        for _ in range(100):
            made.put(LINE)

        assert not made.flush(5)
        assert made.dropped["ordinary"] > 80
        made.close(0)
        assert made._thread is not None
        made._thread.join(10)


def test_a_descriptor_that_is_closed_costs_lines_and_nothing_else() -> None:
    made = LineQueue(1 << 20, gap)
    made.put(LINE)

    assert not made.flush(5)
    made.close(0)


def test_whoever_ends_waits_once_and_no_longer_than_told(pipe: Pipe) -> None:
    """A process with a hanging log must end in time: nothing has moved since, so nothing is waited for."""
    for _ in range(100):
        pipe.queue.put(LINE)
    first = pipe.queue.flush(0.05)

    assert not first
    assert not pipe.queue.flush(3600)


def test_a_flush_that_gave_up_is_no_obstacle_once_somebody_reads(pipe: Pipe) -> None:
    for _ in range(100):
        pipe.queue.put(LINE)
    pipe.queue.flush(0.05)
    pipe.queue.put(b"last\n")
    pipe.read_all(b"last\n")
    pipe.queue.put(b"more\n")

    assert pipe.queue.flush(10)
    assert pipe.read_all(b"more\n") == b"more\n"


def test_a_descriptor_that_does_not_block_is_tried_again(pipe: Pipe) -> None:
    """Whoever started us may have made it so; it is shared."""
    fcntl.fcntl(pipe.write_end, fcntl.F_SETFL, fcntl.fcntl(pipe.write_end, fcntl.F_GETFL) | os.O_NONBLOCK)
    for _ in range(80):
        pipe.queue.put(LINE)
    pipe.queue.put(b"last\n")

    assert pipe.read_all(b"last\n") == LINE * 80 + b"last\n"


def test_whoever_ends_waits_for_a_descriptor_that_has_no_room_at_the_moment(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader that is slow is none that is gone."""
    refusals = [BlockingIOError()] * 3

    def write(data: bytes) -> int:
        if refusals:
            raise refusals.pop()
        return len(data)

    monkeypatch.setattr(line_queue, "SOON", 0.001)
    written_by(monkeypatch, pipe.write_end, write)
    pipe.queue.put(LINE)

    assert pipe.queue.flush(10)


def test_half_a_line_is_continued_where_it_broke_off(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full for a while must not leave a line that no reader of JSON understands."""
    written = bytearray()
    answers: list[int | OSError] = [3, OSError(errno.ENOSPC, "full"), BlockingIOError(), 2]

    def write(data: bytes) -> int:
        answer = answers.pop(0) if answers else len(data)
        if isinstance(answer, OSError):
            raise answer
        written.extend(data[:answer])
        return answer

    written_by(monkeypatch, pipe.write_end, write)
    monkeypatch.setattr(line_queue, "PATIENCE", 0.001)
    pipe.queue.put(b"a whole line\n")
    while answers:
        pipe.queue._hurry.wait(0.001)

    assert pipe.queue.flush(10)
    assert bytes(written) == b"a whole line\n"


def test_a_line_that_is_put_by_a_line_is_no_deadlock(pipe: Pipe) -> None:
    """Finalizers run anywhere, and some of them log."""

    def nested(missing: int, _: Exception | None) -> bytes:
        pipe.queue.put(b"nested\n")
        return gap(missing)

    pipe.queue.gap = nested
    for _ in range(1000):
        pipe.queue.put(LINE)

    assert pipe.read_all(b"nested\n")


def test_a_thread_that_can_not_be_started_is_tried_again(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of threads must not end whoever logs."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as changed:
        changed.setattr(threading.Thread, "start", refused)
        pipe.queue.put(b"one\n")
        is_done = pipe.queue.flush(0.01)
    pipe.queue.put(b"two\n")

    assert not is_done
    assert pipe.read_all(b"two\n") == b"one\ntwo\n"


def test_a_defect_costs_one_write_and_not_the_log_and_is_told(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[bytes]:
        raise ValueError("a defect")

    with monkeypatch.context() as changed:
        changed.setattr(line_queue, "part_lines", broken)
        changed.setattr(line_queue, "PATIENCE", 0.001)
        pipe.queue.put_event("event-1", b"body", STAMP)
        pipe.queue.put(b"last\n")

        assert pipe.read_all(b"last\n") == gap(1, ValueError("a defect")) + b"last\n"


def test_every_line_of_every_thread_is_written(pipe: Pipe) -> None:
    def say(name: int) -> None:
        for number in range(50):
            pipe.queue.put(b"%d %d\n" % (name, number))

    threads = [threading.Thread(target=say, args=(name,)) for name in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.queue.put(b"last\n")
    lines = [tuple(map(int, line.split())) for line in pipe.read_all(b"last\n").splitlines()[:-1]]

    assert sorted(lines) == [(name, number) for name in range(8) for number in range(50)]
    assert all(
        [line for line in lines if line[0] == name] == [(name, number) for number in range(50)] for name in range(8)
    )


FORKING = """
import os
from router.telemetry import logs
logs.configure(readable=False)
log = logs.logger()
log.info("before")
if os.fork() == 0:
    log.info("child")
    logs.flush()
    os._exit(0)
os.wait()
log.info("parent")
"""


def test_a_child_has_a_log_of_its_own() -> None:
    """A thread is not inherited; a queue whose thread is missing would swallow everything."""
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", FORKING], capture_output=True, text=True, check=True)

    assert sorted(json.loads(line)["event"] for line in ended.stderr.splitlines()) == ["before", "child", "parent"]


def test_what_a_process_ends_with_is_written() -> None:
    """Whoever looks for the reason of an end finds it in the last line."""
    code = "from router.telemetry import logs; logs.configure(readable=False); logs.logger().error('the_end')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert json.loads(ended.stderr)["event"] == "the_end"
