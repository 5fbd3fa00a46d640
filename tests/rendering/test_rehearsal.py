"""What an author is told when a template is loaded, long before the first alert."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import TypeAdapter

from router.errors import TemplateError
from router.events import CloudEvent
from router.rendering.examples import EXAMPLES, WHOLE
from router.rendering.library import Library
from router.settings.snapshot import read_file
from router.verdict import Verdict


def load(folder: Path, source: str) -> object:
    (folder / "mine.json").write_text(source)
    return Library([folder], read_file).template("mine")


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_the_examples_are_events(event: CloudEvent) -> None:
    TypeAdapter(CloudEvent).validate_python(event, strict=True)


def test_the_first_example_has_every_verdict_and_every_field() -> None:
    assert {image["verdict"] for image in WHOLE["data"]["images"]} == {verdict.value for verdict in Verdict}
    assert WHOLE["data"].keys() == TypeAdapter(CloudEvent).json_schema()["$defs"]["EventData"]["properties"].keys()
    assert WHOLE["data"]["workload"]["owner"] is not None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("[\n{{ alert_mesage }}]", 'template mine: line 2: there is no "alert_mesage"; did you mean "alert_message"?'),
        ("{{ event.decision.outcom }}", 'there is no "outcom"; did you mean "outcome"?'),
        ("{{ event['decision']['zzz'] }}", 'there is no "zzz"; there is: break_glass, failure, grant, is_attempt'),
        ("{% if event.decision.break_glass %}{{ event.typo }}{% else %}1{% endif %}", 'there is no "typo"'),
        ("[{% for i in event.images[1:] %}{% if loop.first %}{{ i.typo }}{% endif %}{% endfor %}]", 'no "typo"'),
        ("{{ event.images[0].signers[0].nam }}", 'did you mean "name"?'),
        ("{{ cloudevent.data.request.user.nane }}", 'did you mean "name"?'),
        ("{{ destination.nam }}", 'did you mean "name"?'),
        ("{{ 'x' | uper }}", 'there is no filter "uper"; did you mean "upper"?'),
        ("{{ 'x' is deffined }}", 'there is no test "deffined"; did you mean "defined"?'),
        ("{{ self }}", 'there is no "self"'),
        ("{{ dict() }}", 'there is no "dict"'),
        ("{{ event.images | map(attribute='typo') | list }}", 'there is no "typo"'),
        ("{{ event.id | truncate_chars }}", "truncate_chars"),
    ],
)
def test_what_is_not_there_is_told_when_the_template_is_loaded(tmp_path: Path, source: str, words: str) -> None:
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, source)

    assert words in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        '[{% for i in event.images %}"{{ i.image }}",{% endfor %}]',
        '[{% for i in event.images %}"{{ i.image }}"{% endfor %}]',
        '{"a": 1, "a": 2}',
        '{"a": 1,}',
        '{ {% for i in event.images %}"{{ i.container_kind }}": 1{% if not loop.last %},{% endif %}{% endfor %} }',
        "{% if event.decision.severity == 'info' %}[{% else %}[]{% endif %}",
    ],
)
def test_a_skeleton_that_is_no_json_for_some_event_is_refused_when_it_is_loaded(tmp_path: Path, source: str) -> None:
    """Each of these works for some events, and fails at three in the morning."""
    with pytest.raises(TemplateError, match=r"not valid JSON|two keys"):
        load(tmp_path, source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ('[\n"{{ event.images[0].image }}"]', "line 2: there is no item 0; there are 0 (for the example event unan"),
        ("{{ event.images[1].image }}", "there are 1 (for the example events would-reject-one-im"),
        ("[\n\n{{ event.workload.owner.name }}]", 'line 3: there is no "name" in null; ask first: {% if ... %} (for'),
        ("{{ event.workload.owner.name }}", "one-image-no-owner, break-glass-two-images-no-owner, unanswered-no"),
        ("{{ event.images[0].signers[0].name }}", "there is no item 0; there are 0 (for"),
        ("{{ event.images[9].image }}", "there is no item 9; there are 9"),
        ("{{ 'x' | truncate_chars('a') }}", "(for every example event)"),
    ],
)  # fmt: skip
def test_every_example_for_which_a_template_fails_is_named(tmp_path: Path, source: str, words: str) -> None:
    """Nobody can say which events will come: a field that one of them lacks fails at three in the morning."""
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, source)

    assert words in str(caught.value)


def test_several_mistakes_are_told_together(tmp_path: Path) -> None:
    source = "{% if event.workload.owner %}[\n1,\n]{% else %}{{ event.workload.owner.name }}{% endif %}"
    with pytest.raises(TemplateError) as caught:
        load(tmp_path, source)

    assert "line 2: what it makes is not valid JSON" in str(caught.value)
    assert '; template mine: line 3: there is no "name" in null' in str(caught.value)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ('{\n"a": 1,\n"b": 2,\n}', 3),
        ('[\n{% for i in event.images %}\n"{{ i.image }}",\n{% endfor %}\n]', 3),
        ('[\n\n{% for i in event.images %}"{{ i.image }}"\n{% endfor %}]', 3),
        ('{\n"a": "{{ alert_message }}"\n"b": 2}', 3),
        ('{"x": [\n1\n2],\n"a": {{ event.images }}}', 3),
        ('{"a": {{ event.images | length }}\n\n', 1),
        ('{"a": 1}\n\n"{{ event.id }}"', 3),
        ('{"a": {"é": 1, "b": 2},\n"b": 2,\n"x": "a", "a": 3}', 3),
        ("{\n{% for i in [1, 2] %}\n\"k{{ 'a' }}\": {{ i }}\n{% if not loop.last %},{% endif %}\n{% endfor %}}", 3),
    ],
)
def test_a_mistake_in_the_json_is_told_with_the_line_of_the_template(tmp_path: Path, source: str, line: int) -> None:
    """Not with that of what was rendered, which nobody has seen."""
    with pytest.raises(
        TemplateError, match=rf"^template mine: line {line}: (what it makes is not valid JSON|two keys)"
    ):
        load(tmp_path, source)


@pytest.mark.parametrize(
    "source",
    [
        "{{ event.workload.owner.name | default('nobody') }}",
        "{{ event.images[0].signers[0].name | default('') }}",
        "{% if event.workload.owner %}{{ event.workload.owner.name }}{% else %}null{% endif %}",
        "{{ incident | default(none) }}",
        "{% if incident is defined %}{{ incident.count | default(1) }}{% else %}0{% endif %}",
        "{{ event.newer.field | default('') }}",
        "{% set message = alert_message %}{{ message }}",
        "{% for event in [1] %}{{ event }}{% endfor %}",
        "{% for key, value in destination | items %}{% if loop.first %}{{ value }}{% endif %}{% endfor %}",
    ],
)
def test_whoever_asks_first_may_name_what_some_events_lack(tmp_path: Path, source: str) -> None:
    """Names of other versions, too."""
    assert load(tmp_path, source)
