"""Whatever becomes of standard error, people get their answers, and SIGTERM ends the router as it should."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.assembly.small import Place
from tests.patience import PATIENCE

ENFORCED = {"enforcement": {"namespaces": {"strict": "enforce"}}}
FULL_PIPE = b"x" * (1 << 20)


@contextlib.contextmanager
def standard_error(destiny: str) -> Iterator[int]:
    """A file descriptor for standard error, with what happens to it."""
    if destiny == "full":
        with Path("/dev/full").open("wb") as device:
            yield device.fileno()
        return
    read_end, write_end = os.pipe()
    try:
        if destiny in {"nobody reads", "nobody reads, and it does not block"}:
            os.set_blocking(write_end, False)
            with contextlib.suppress(BlockingIOError):
                while os.write(write_end, FULL_PIPE):  # what we would log next would wait
                    pass
            os.set_blocking(write_end, destiny == "nobody reads")
        if destiny == "closed by its reader":
            os.close(read_end)
        yield write_end
    finally:
        os.close(write_end)
        if destiny != "closed by its reader":
            os.close(read_end)


DESTINIES = [
    ("nobody reads", "json"),
    ("nobody reads, and it does not block", "readable"),
    ("closed by its reader", "json"),
    ("full", "readable"),
    ("closed", "json"),
]


@pytest.mark.parametrize(("destiny", "form"), DESTINIES)
async def test_people_get_their_answers_whoever_reads_the_log(tmp_path: Path, destiny: str, form: str) -> None:
    """It used to hang, to answer 500, or to end with another exit code than 0."""
    place = Place(tmp_path, **ENFORCED)
    command = [sys.executable, "-m", "router", "serve", "--config", str(place.config), "--log", form]
    if destiny == "closed":
        command = ["/bin/sh", "-c", 'exec "$@" 2>&-', "sh", *command]
    with standard_error(destiny) as descriptor:
        router = subprocess.Popen(command, cwd=tmp_path, stderr=descriptor)  # noqa: ASYNC220 - it only starts
        try:
            await until_ready(place)
            answers = [await place.ask("r.example/other/app:1", namespace=name) for name in ("strict", "loose") * 10]
            status, _ = await place.post(b"no review")
            events = await place.until_archived(1)
        finally:
            code = await ended(router)

    assert [answer["allowed"] for answer in answers] == [False, True] * 10
    assert status == 400
    assert events
    assert code == 0


def standard_files(process: int) -> list[str]:
    """What its first three descriptors are."""
    return [str(Path(f"/proc/{process}/fd/{number}").readlink()) for number in range(3)]


async def ended(router: subprocess.Popen[bytes]) -> int:
    """The exit code after SIGTERM; one that hangs is killed."""
    router.send_signal(signal.SIGTERM)
    try:
        return await asyncio.to_thread(router.wait, 30)
    except subprocess.TimeoutExpired:
        router.kill()
        return await asyncio.to_thread(router.wait)


async def until_ready(place: Place) -> None:
    """Until it takes requests."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(OSError):
                if (await place.probe("readyz"))[0] == 200:
                    return
            await asyncio.sleep(0.05)


async def test_no_file_of_ours_gets_the_number_of_a_closed_standard_error(tmp_path: Path) -> None:
    """The log would be written into it: into the outbox, for one."""
    place = Place(tmp_path)
    command = [sys.executable, "-m", "router", "serve", "--config", str(place.config), "--log", "json"]
    shell = ["/bin/sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *command]
    router = subprocess.Popen(shell, cwd=tmp_path)  # noqa: ASYNC220 - it only starts
    try:
        await until_ready(place)
        opened = await asyncio.to_thread(standard_files, router.pid)
    finally:
        code = await ended(router)

    assert opened == ["/dev/null"] * 3
    assert code == 0


def test_a_refused_configuration_ends_with_its_own_code_where_nothing_can_be_told(tmp_path: Path) -> None:
    """The interpreter ends with 120 where it can't write what was printed."""
    command = [sys.executable, "-m", "router", "serve", "--config", str(tmp_path / "missing.yaml")]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, stderr=full, timeout=60, check=False)

    assert ended.returncode == 1


def test_a_defect_that_ends_the_router_is_a_line_of_the_log(tmp_path: Path) -> None:
    """The interpreter would print it over many lines, and wait for whoever reads them."""
    place = Place(tmp_path)
    code = (
        "import sys, router.assembly.serving as serving\n"
        "def fail(*_, **__): raise ZeroDivisionError('a defect')\n"
        "serving.Product = fail\n"
        "from router.cli import main\n"
        f"sys.exit(main(['serve', '--log', 'json', '--config', {str(place.config)!r}]))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    line = json.loads(ended.stderr)

    assert ended.returncode == 1
    assert line["event"] == "router_failed"
    assert "a defect" in line["exception"]
