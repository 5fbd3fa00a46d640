"""Rendering beside plain Jinja: what it costs that no value can change a payload."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jinja2
import orjson

from router.rendering.context import context_of
from router.rendering.library import Library, Templates
from router.rendering.renderer import Renderer
from router.rendering.shipped import shipped_folder
from router.settings.snapshot import read_file
from tests.bench.table import Row

EVENT = Path(__file__).resolve().parents[1] / "data" / "event.json"
DOCUMENTS, ROUNDS = 3000, 5


def run() -> Sequence[Row]:
    """Sysdig documents per second, the event's JSON as input."""
    body = orjson.dumps(json.loads(EVENT.read_text()))
    ours = Renderer(Templates(Library([shipped_folder()], read_file).template("sysdig")), kind="sysdig", name="sysdig")
    source = (shipped_folder() / "sysdig.json").read_text()
    environment = jinja2.Environment(autoescape=False)  # noqa: S701 - the bare counterpart escapes nothing
    environment.filters |= {
        "rfc3339": str,
        "map_severity": lambda value, _: value,
        "truncate_chars": lambda text, _: text,
    }
    plain = environment.from_string(source)

    def bare() -> object:
        return plain.render(context_of(orjson.loads(body), {}))

    rates = [(_rate(lambda: ours.render(body)), _rate(bare)) for _ in range(ROUNDS)]
    one, two = (statistics.median(rate[index] for rate in rates) for index in range(2))
    return [Row("Sysdig documents/s", f"{one:,.0f}", f"{two:,.0f} (plain Jinja)", f"{one / two:.0%}", ">= 20,000/s")]


def _rate(render: Callable[[], object]) -> float:
    began = time.perf_counter()
    for _ in range(DOCUMENTS):
        render()
    return DOCUMENTS / (time.perf_counter() - began)


if __name__ == "__main__":
    from tests.bench.table import as_text

    print(as_text(run()))
