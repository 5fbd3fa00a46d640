from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.destinations.catalogue import KINDS
from router.destinations.kinds.slack.block_kit import within_limits
from router.errors import TemplateError
from router.events import CloudEvent, encode
from router.rendering.examples import EXAMPLES, NOTICES
from router.rendering.library import Library, Templates
from router.rendering.markup import Markup
from router.rendering.renderer import Renderer
from router.rendering.shipped import shipped_folder
from router.rendering.template import Template
from router.settings.snapshot import read_file
from tests.rendering.hostile import DATA, EVENT, HOSTILE, event_with, shape_of

LIBRARY = Library([DATA / "templates", shipped_folder()], read_file)
BY_NAME = {kind.name: kind for kind in KINDS}
TEMPLATES = {
    **{kind.name: kind.markup for kind in KINDS if kind.has_templates},
    "webhook": Markup.NONE,
    "tutorial": Markup.NONE,
    "custom": Markup.NONE,
    "connaisseur-slack": Markup.SLACK,
    "connaisseur-opsgenie": Markup.NONE,
    "connaisseur-keybase": Markup.NONE,
    "connaisseur-ecs": Markup.NONE,
    "connaisseur-msteams": Markup.NONE,
}
RENDERERS = {
    name: Renderer(Templates(LIBRARY.template(name, markup)), kind=name, name=name)
    for name, markup in TEMPLATES.items()
}
SHAPES = {name: shape_of(json.loads(renderer.render(event_with("plain")).body)) for name, renderer in RENDERERS.items()}


@pytest.mark.parametrize("name", TEMPLATES)
def test_no_value_changes_the_shape_of_a_shipped_or_tutorial_payload(name: str) -> None:
    for text in HOSTILE:
        rendered = RENDERERS[name].render(event_with(text))

        assert rendered.problem is None, text
        assert shape_of(json.loads(rendered.body)) == SHAPES[name], text


@given(st.sampled_from(list(TEMPLATES)), st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
@settings(max_examples=150)
def test_no_text_at_all_changes_the_shape(name: str, text: str) -> None:
    assert shape_of(json.loads(RENDERERS[name].render(event_with(text)).body)) == SHAPES[name]


def test_the_tutorial_s_template_runs_as_it_stands() -> None:
    """On Connaisseur 3.10 it sends nothing."""
    body = json.loads(RENDERERS["tutorial"].render(json.dumps(EVENT).encode()).body)

    (event,) = body["events"]
    assert event["priority"] == " 2"
    assert event["timestamp"] == " 2026-11-23T10:15:30.123Z"
    assert event["output"].startswith("Gatecrier rejected a request: registry.example/shop/web:1.4")
    assert event["output_fields"] == {"field1": "value1", "field2": "value2"}
    assert body["labels"]["image"] == "['registry.example/shop/web:1.4']"


def test_the_shipped_sysdig_payload_is_what_sysdig_reads() -> None:
    body = json.loads(RENDERERS["sysdig"].render(json.dumps(EVENT).encode()).body)

    (event,) = body["events"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["timestamp"])
    assert event["priority"] == "error"
    assert all(isinstance(value, str) for value in event["output_fields"].values())
    assert "policy_id" not in event


def test_the_webhook_template_is_the_event() -> None:
    assert json.loads(RENDERERS["webhook"].render(json.dumps(EVENT).encode()).body) == EVENT


@pytest.mark.parametrize("text", ["<" * 4000, "x" * 4000, "&\n" * 2000, "\u202e" * 4000])
def test_a_slack_message_stays_within_slack_s_limits(text: str) -> None:
    """50 images with names of 4,000 characters are no reason for a 4xx for ever."""
    message = json.loads(RENDERERS["slack"].render(event_with(text, images=50)).body)

    assert within_limits(message) == message
    assert "42 more images" in json.dumps(message)


def test_nobody_is_mentioned_in_slack() -> None:
    body = RENDERERS["slack"].render(event_with("<!channel> <https://evil.example|click>")).body

    assert b"<!channel>" not in body
    assert b"<https" not in body


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_hold_for_every_kind_of_event(name: str) -> None:
    problems = [RENDERERS[name].render(encode(event)).problem for event in EXAMPLES.values()]

    assert not any(problems)


@pytest.mark.parametrize("event", EXAMPLES.values(), ids=EXAMPLES)
def test_sysdig_s_output_fields_and_labels_are_texts_for_every_event(event: CloudEvent) -> None:
    """Sysdig drops what is no map of texts to texts."""
    body = json.loads(RENDERERS["sysdig"].render(encode(event)).body)

    texts = [*body["events"][0]["output_fields"].values(), *body["labels"].values(), *body["events"][0]["tags"]]
    assert all(isinstance(value, str) for value in texts)


def test_a_name_forges_no_line_in_slack_while_our_own_lines_stay() -> None:
    event = copy.deepcopy(EVENT)
    event["data"]["images"][0]["image"] = "a:1\n*Severity* info"
    event["data"]["decision"]["message"] = "first\nsecond"
    message = json.loads(RENDERERS["slack"].render(json.dumps(event).encode()).body)

    assert "a:1\\n*Severity*" in json.dumps(message["blocks"][3]["text"]["text"]).replace("\\\\", "\\")
    assert message["blocks"][1]["text"]["text"].endswith("first\nsecond")
    assert "\n" not in message["blocks"][3]["text"]["text"]


def test_nothing_in_a_slack_message_is_made_a_link_or_an_emoji() -> None:
    message = json.loads(RENDERERS["slack"].render(event_with("https://evil.example :smile:")).body)
    texts = [block.get("text") for block in message["blocks"]] + [
        text for block in message["blocks"] for text in (*block.get("fields", ()), *block.get("elements", ()))
    ]

    assert all(
        text["verbatim"] is True if text["type"] == "mrkdwn" else text["emoji"] is False for text in texts if text
    )
    assert (message["mrkdwn"], message["unfurl_links"], message["unfurl_media"]) == (False, False, False)


def test_the_webhook_template_costs_nothing() -> None:
    """Naming it is the same as naming none."""
    body = json.dumps(EVENT).encode()
    rendered = RENDERERS["webhook"].render(body)

    assert rendered.body is body
    assert rendered.content_type == "application/cloudevents+json"


def test_the_event_in_another_markup_is_rendered() -> None:
    """Slack would read markup in it."""
    renderer = Renderer(Templates(LIBRARY.template("webhook", Markup.SLACK)), kind="slack", name="x")

    assert b"&lt;!channel&gt;" in renderer.render(event_with("<!channel>")).body


def test_without_a_template_the_event_itself_is_sent_byte_for_byte() -> None:
    body = b'{"any": "bytes"}'
    rendered = Renderer(Templates(None), kind="webhook", name="siem").render(body)

    assert rendered.body is body
    assert rendered.content_type == "application/cloudevents+json"
    assert not rendered.is_fallback


def renderer_of(kind: str, template: Template | None = None) -> Renderer:
    """A renderer with this template, or none, and the minimal payload of its kind."""
    return Renderer(Templates(template), kind=kind, name="x", minimal=BY_NAME[kind].minimal)


@pytest.mark.parametrize("kind", ["slack", "sysdig", "webhook"])
def test_a_template_that_fails_loses_no_alert(kind: str) -> None:
    """A minimal payload goes out instead, in the service's own shape, and says so."""
    rendered = renderer_of(kind, Template.parse("mine", "{{ nothing }}")).render(event_with("<!channel>"))
    body = json.loads(rendered.body)

    assert rendered.is_fallback
    assert "mine" in str(rendered.problem)
    match kind:
        case "slack":
            assert "&lt;!channel&gt;" in body["text"]
        case "sysdig":
            assert "template-failed" in body["events"][0]["tags"]
        case _:
            assert body["gatecrierfallback"] == "true"
            assert body["id"] == EVENT["id"]


def test_a_destination_s_own_fallback_goes_out_where_its_template_fails() -> None:
    """A receiver that takes no CloudEvent would refuse the minimal payload, and the alert would be lost after all."""
    bad, small = Template.parse("mine", "{{ nothing }}"), Template.parse("small", '{"summary": "{{ alert_message }}"}')
    rendered = Renderer(Templates(bad, fallback=small), kind="webhook", name="x").render(event_with("web"))

    assert rendered.is_fallback
    assert rendered.content_type == "application/json"
    assert json.loads(rendered.body).keys() == {"summary"}
    assert "template mine" in str(rendered.problem)


def test_where_the_fallback_fails_too_the_minimal_payload_goes_out() -> None:
    bad, worse = Template.parse("mine", "{{ nothing }}"), Template.parse("small", "{{ nothing_either }}")
    rendered = Renderer(Templates(bad, fallback=worse), kind="webhook", name="x").render(event_with("web"))

    assert json.loads(rendered.body)["gatecrierfallback"] == "true"
    assert "template mine" in str(rendered.problem)
    assert "and its fallback: template small" in str(rendered.problem)


def test_a_fallback_is_not_for_notices() -> None:
    """It is an operator's template, for decisions."""
    bad, small = Template.parse("mine", "{{ nothing }}"), Template.parse("small", '"small"')
    rendered = Renderer(Templates(small, bad, small), kind="webhook", name="x").render(json.dumps(NOTICES[0]).encode())

    assert json.loads(rendered.body)["gatecrierfallback"] == "true"


@pytest.mark.parametrize("kind", ["slack", "sysdig", "webhook"])
def test_what_a_receiver_finds_too_large_is_told_in_short(kind: str) -> None:
    """Failing images stay, the others are counted."""
    image, data = EVENT["data"]["images"][0], EVENT["data"]
    passing = [
        {**image, "verdict": "verified", "image": f"registry.example/shop/web:{number}"} for number in range(150)
    ]
    images = [*passing, {**image, "verdict": "unsigned", "image": "registry.example/shop/bad:1"}]
    whole = json.dumps({**EVENT, "data": {**data, "images": images}}).encode()
    rendered = renderer_of(kind).minimal(whole)
    body = json.loads(rendered.body)

    assert rendered.is_fallback
    assert len(rendered.body) < 16 * 1024 < len(whole)
    match kind:
        case "slack":
            assert body["text"].startswith("(shortened")
        case "sysdig":
            assert "shortened" in body["events"][0]["tags"]
        case _:
            assert body["gatecrierfallback"] == "true"
            assert "registry.example/shop/bad:1" in {one["image"] for one in body["data"]["images"]}
            assert body["data"]["images_omitted"]["count"] == len(images) - len(body["data"]["images"])
            assert body["data"]["sequence"] == data["sequence"]


@pytest.mark.parametrize("kind", ["slack", "sysdig", "webhook"])
@pytest.mark.parametrize(
    "event",
    [
        {},
        {"data": {}},
        {"id": "1", "data": {"decision": {"message": "m"}, "images": []}},
        {"id": "1", "data": {"incident": {}}},
        {
            "id": "1",
            "data": {"incident": {"state": "open", "owner": None, "outcomes": {"rejected": 1}, "images": [{}]}},
        },
    ],
)
def test_an_event_of_another_release_loses_no_alert(kind: str, event: dict[str, object]) -> None:
    """The outbox keeps events for weeks; one may lack a field that this release knows."""
    renderer = renderer_of(kind, LIBRARY.template("sysdig"))
    rendered, short = renderer.render(json.dumps(event).encode()), renderer.minimal(json.dumps(event).encode())

    assert rendered.is_fallback
    assert json.loads(rendered.body)
    assert json.loads(short.body)


def test_verdicts_of_another_release_make_an_event_smaller_too() -> None:
    event = json.loads(encode(EXAMPLES["rejected-many-images"]))
    failing = {**event["data"]["images"][0], "verdict": "newer_verdict", "image": "registry.example/shop/newer:1"}
    passing = {**failing, "verdict": "verified"}
    event["data"]["images"] = [*[{**passing, "image": f"{number}{'x' * 300}"} for number in range(100)], failing]
    body = json.loads(renderer_of("webhook").minimal(json.dumps(event).encode()).body)

    assert len(json.dumps(body)) < 16 * 1024
    assert "registry.example/shop/newer:1" in {one["image"] for one in body["data"]["images"]}


@pytest.mark.parametrize(
    ("severity", "priority"), [("critical", "critical"), ("high", "error"), ("info", "informational")]
)
def test_the_minimal_payload_is_as_urgent_as_the_event(severity: str, priority: str) -> None:
    event = copy.deepcopy(EVENT)
    event["data"]["decision"]["severity"] = severity
    renderer = renderer_of("sysdig", Template.parse("mine", "{{ nothing }}"))
    (told,) = json.loads(renderer.render(json.dumps(event).encode()).body)["events"]

    assert told["priority"] == priority
    assert all(isinstance(value, str) for value in told["output_fields"].values())


@pytest.mark.parametrize("text", ["<" * 9000, "&\n" * 9000, "x" * 100_000])
def test_the_minimal_payload_is_small_and_escaped(text: str) -> None:
    renderer = renderer_of("slack", Template.parse("mine", "{{ nothing }}"))
    message = json.loads(renderer.render(event_with(text)).body)["text"]

    assert len(message) <= 2000
    assert "<" not in message
    assert not re.search(r"&(?!amp;|lt;|gt;)", message)


@pytest.mark.parametrize(
    ("outcome", "would_reject", "begins"),
    [
        ("admitted", False, "Gatecrier admitted a request: "),
        ("admitted", True, "Gatecrier admitted a request that it would reject: "),
        ("rejected", True, "Gatecrier rejected a request: "),
        ("unanswered", False, "Gatecrier did not answer a request: "),
    ],
)
def test_the_message_says_what_happened(outcome: str, would_reject: bool, begins: str) -> None:  # noqa: FBT001 - a case
    """Nothing says "rejected" of what was admitted."""
    decision = EVENT["data"]["decision"] | {"outcome": outcome, "would_reject": would_reject}
    event = EVENT | {"data": EVENT["data"] | {"decision": decision}}
    renderer = Renderer(Templates(Template.parse("t", '"{{ alert_message }}"')), kind="webhook", name="x")

    assert json.loads(renderer.render(json.dumps(event).encode()).body).startswith(begins)


@pytest.mark.parametrize(
    ("is_attempt", "corrects", "begins"),
    [
        (True, None, "Gatecrier is about to admit a request: "),
        (False, "4711", "Gatecrier admitted a request (which corrects what it told before): "),
    ],
)
def test_the_message_says_what_is_not_sure_and_what_corrects(
    is_attempt: bool,  # noqa: FBT001 - a case
    corrects: str | None,
    begins: str,
) -> None:
    """Whoever reads only the sentence must not take an attempt for a fact, nor two decisions for two requests."""
    attempt = {"is_attempt": True} if is_attempt else {}
    decision = EVENT["data"]["decision"] | {"outcome": "admitted", "would_reject": False} | attempt
    data = EVENT["data"] | {"decision": decision} | ({} if corrects is None else {"corrects": corrects})
    source = '["{{ alert_message }}", {{ event.corrects }}, {{ event.decision.is_attempt }}]'
    renderer = Renderer(Templates(Template.parse("t", source)), kind="webhook", name="x")
    message, *members = json.loads(renderer.render(json.dumps(EVENT | {"data": data}).encode()).body)

    assert message.startswith(begins)
    assert members == [corrects, is_attempt]


def test_an_operator_s_template_is_found_before_the_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "sysdig.json").write_text('"mine"')

    assert found(Library([tmp_path, shipped_folder()], read_file), "sysdig").render({}).body == b'"mine"'


def found(library: Library, name: str) -> Template:
    """The template of this name, which must be there."""
    template = library.template(name)

    assert template is not None
    return template


def test_a_template_that_is_not_there_is_none(tmp_path: Path) -> None:
    """A folder is no template, and hides no shipped one."""
    (tmp_path / "sysdig.json").mkdir()
    library = Library([tmp_path / "gone", tmp_path, shipped_folder()], read_file)

    assert library.template("slac") is None
    assert library.template("../templates/slack") is None
    assert library.template("sysdig") is not None


def test_a_template_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe")
    with pytest.raises(TemplateError, match=r"bad\.json can't be read"):
        Library([tmp_path], read_file).template("bad")


def test_a_template_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_text('"' + "x" * 256 * 1024 + '"')
    with pytest.raises(TemplateError, match="more than 262144 bytes"):
        Library([tmp_path], read_file).template("big")


def test_a_byte_order_mark_is_no_part_of_a_template(tmp_path: Path) -> None:
    """Some editors write one."""
    (tmp_path / "mine.json").write_bytes(b"\xef\xbb\xbf1")

    assert found(Library([tmp_path], read_file), "mine").render({}).body == b"1"


@pytest.mark.parametrize("name", ["../sysdig", "a/b", "", ".", "..", "\0", "/etc/passwd", "x" * 5000])
def test_a_name_leads_to_no_other_file(tmp_path: Path, name: str) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "sysdig.json").write_text('"mine"')

    assert Library([tmp_path / "inner"], read_file).template(name) is None
