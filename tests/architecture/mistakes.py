"""Mistakes that people make in templates, and what `gatecrier templates lint` says of each, for the guide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from router.cli.templates.flaws import flaws_of
from router.cli.templates.shelf import entry

MISTAKES: Mapping[str, tuple[str, str]] = {
    "A name is misspelt": ('{"text": "{{ alert_mesage }}"}', ""),
    "A field is misspelt": ('{"level": "{{ event.decision.sevrity }}"}', ""),
    "A filter is misspelt": ('{"text": "{{ alert_message | truncat_chars(60) }}"}', ""),
    "A method is called": (
        '{"text": "{{ namespace.upper() }}"}',
        "Nothing of Python can be reached. Write `{{ namespace | upper }}`.",
    ),
    "Some events do not have it": (
        '{"owner": "{{ event.workload.owner.name }}"}',
        "Not every object has an owner: `{{ event.workload.owner.name | default('nobody') }}`, or ask by `{% if %}`.",
    ),
    "No comma stands between the items of a loop": (
        '[{% for one in event.images %}"{{ one.image }}"{% endfor %}]',
        "Write `{% if not loop.last %},{% endif %}` before `{% endfor %}`. With one image nobody would see it.",
    ),
    "A comma stands behind the last one": (
        '[{% for one in event.images %}"{{ one.image }}",{% endfor %}]',
        "The same.",
    ),
    "A text has no quotes": (
        '{"text": Images: {{ images }}}',
        "Outside quotes an interpolation is a whole value; a text around it needs quotes.",
    ),
    "A number stands beside a value": (
        '{"count": 1{{ event.images | length }}}',
        "One value is made by one expression: `{{ 10 + event.images | length }}`, or quotes around both.",
    ),
    "Single quotes stand around keys or texts": (
        "{'text': \"{{ alert_message }}\"}",
        "JSON has double quotes; inside `{{ }}` stand single ones.",
    ),
    "Quotes inside `{{ }}` have backslashes": (r'{"text": "{{ namespace | replace(\"a\", \"b\") }}"}', ""),
    "Two braces of JSON stand together": (
        '{"at": {{"cluster": "{{ cluster }}"}}}',
        "",
    ),
    "One branch ends inside quotes": ('{"a": "x{% if namespace %}"{% endif %}}', ""),
    "Two keys are equal": ('{"{{ \'text\' }}": 1, "text": "{{ alert_message }}"}', "One would hide the other."),
    "A block is not ended": ('{"text": "{% if namespace %}in {{ namespace }}"}', ""),
    "Another file is wanted": ('{% include "head.json" %}', ""),
    "Loops stand in loops": (
        f'["{"{% for a in event.images %}" * 6}x{"{% endfor %}" * 6}"]',
        "With one image it would do; what others deploy must not cost more than that.",
    ),
}
"""What is wrong, for example so, and what to do where what is said does not say it."""


def said(source: str) -> list[str]:
    """What lint says of a template."""
    template = replace(entry("mine", Path("mine.json")), draft=source)
    found = []
    for one in dict.fromkeys(flaws_of(template)):
        line = "" if one.line is None else f"line {one.line}: "
        found.append(f"{line}{one.text}{f' (for {len(one.examples)} of the examples)' if one.examples else ''}")
    return found


def mistake_list() -> str:
    """Each mistake with what is said about it, and what to do."""
    sections = []
    for what, (source, remedy) in MISTAKES.items():
        told = "\n".join(said(source))
        sections.append(f"**{what}.**" + (f" {remedy}" if remedy else "") + f"\n\n```text\n{source}\n\n{told}\n```")
    return "\n\n".join(sections)
