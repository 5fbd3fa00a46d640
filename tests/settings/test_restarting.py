from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from router.fields import OnlyAtStart
from router.settings import shape
from router.settings.meanings import meanings_in
from router.settings.parts import for_gate, for_keeper, gate_part, keeper_part
from router.settings.restarting import in_force
from router.settings.tree import Settings
from tests.settings.configurations import SMALL, loaded


def test_what_is_read_at_the_start_only_stays_and_is_named(tmp_path: Path) -> None:
    """The settings in force have the running value, so that nobody can read another."""
    before = loaded(tmp_path, SMALL)
    changed = SMALL.replace(":8443", ":8444").replace("outbox.db", "other.db").replace("cluster: test", "cluster: new")
    latest, names = in_force(before, loaded(tmp_path, changed))

    assert names == ["webhook.listen", "outbox.url"]
    assert (latest.settings.webhook, latest.settings.outbox) == (before.settings.webhook, before.settings.outbox)
    assert latest.settings.cluster == "new"


def test_the_parts_of_what_is_in_force_say_the_same(tmp_path: Path) -> None:
    """A process that is started after a reload must not listen, or look for the outbox, elsewhere than the others."""
    sized = SMALL.replace("tls: self-signed", "tls: self-signed, max_body: 1MiB, deadline: 3s")
    before = loaded(tmp_path, SMALL)
    latest, names = in_force(before, loaded(tmp_path, sized.replace("outbox.db", "other.db")))
    gate, keeper = gate_part(for_gate(latest)).settings, keeper_part(for_keeper(latest)).settings

    assert names == ["webhook.max_body", "outbox.url"]
    assert (gate.webhook, gate.outbox) == (latest.settings.webhook, before.settings.outbox)
    assert keeper.outbox == before.settings.outbox
    assert (gate.webhook.max_body, gate.webhook.deadline) == (before.settings.webhook.max_body, 3.0)


def test_what_holds_at_once_needs_no_restart(tmp_path: Path) -> None:
    before = loaded(tmp_path, SMALL)
    after = loaded(tmp_path, SMALL.replace("tls: self-signed", "tls: self-signed, deadline: 3s"))

    assert in_force(before, after) == (after, [])


def fields(model: type[BaseModel]) -> Iterator[tuple[FieldInfo, str]]:
    """Every setting of the tree that is no item of a list, and what it means."""
    for name, field in model.model_fields.items():
        yield field, meanings_in(model).get(name, "")
        for inner in shape.models_in(field.annotation):
            yield from fields(inner)


def test_the_reference_says_what_needs_a_restart() -> None:
    """The page is made of the docstrings; the mark is what the program goes by."""
    all_fields = list(fields(Settings))
    marked = [field for field, _ in all_fields if any(isinstance(mark, OnlyAtStart) for mark in field.metadata)]
    said = [field for field, meaning in all_fields if "needs a restart" in meaning]

    assert marked == said
    assert len(marked) == 6
