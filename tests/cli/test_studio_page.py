"""The studio's page in a real Chromium: what people see, and what no text can make of it."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from router.cli.templates.studio.serving import running
from router.cli.templates.studio.workshop import Object, RenderAsked, Workshop
from router.rendering.examples import WHOLE
from tests.architecture.gallery import shipped_entries
from tests.cli.test_studio import MINE
from tests.cli.test_studio import config as config  # noqa: PLC0414 - a fixture
from tests.simulators.browser import Page, browsing, chromium
from tests.simulators.sinks import Sink, answer

EVIL = (
    "<script>window.pwned=1</script><img src=x onerror='window.pwned=1'><svg onload='window.pwned=1'>"
    "</textarea></pre><iframe srcdoc='<script>parent.pwned=1</script>'></iframe>"
    "<a href='javascript:window.pwned=1'>x</a>"
    "<http://evil.example/|x> [x](javascript:window.pwned=1) <!channel> ${window.pwned=1} {{constructor}}"
)
DOCUMENTS: dict[str, object] = {
    "slack": {
        "text": EVIL,
        "blocks": [
            {"type": "header", "text": {"type": "plain_text", "text": EVIL}},
            {"type": "section", "text": {"type": "mrkdwn", "text": EVIL}, "fields": [{"type": "mrkdwn", "text": EVIL}]},
            {"type": "context", "elements": [{"type": "mrkdwn", "text": f"<javascript:window.pwned=1|{EVIL}>"}]},
            {"type": EVIL},
        ],
        "attachments": [{"color": f"red;background:url(http://evil.example/{EVIL})", "text": EVIL, "blocks": [EVIL]}],
    },
    "teams": {
        "type": "AdaptiveCard",
        "body": [
            {"type": "TextBlock", "text": EVIL, "color": EVIL, "weight": EVIL},
            {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": EVIL}, EVIL]},
            {"type": "FactSet", "facts": [{"title": EVIL, "value": EVIL}]},
            {"type": "Image", "url": "http://evil.example/x.png", "altText": EVIL},
            {"type": "ColumnSet", "columns": [{"items": [{"type": "Container", "items": [{"type": EVIL}]}]}]},
        ],
        "actions": [{"type": "Action.OpenUrl", "title": EVIL, "url": "javascript:window.pwned=1"}],
    },
    "smtp": {"subject": EVIL, "text": EVIL, "time": EVIL, "thread": EVIL},
    "pagerduty": {
        "payload": {"summary": EVIL, "severity": EVIL, "source": EVIL, "custom_details": {EVIL: EVIL}},
        "links": [{"href": "javascript:window.pwned=1", "text": EVIL}],
    },
    "jira": {
        "summary": EVIL,
        "text": EVIL,
        "severity": EVIL,
        "key": EVIL,
        "links": {EVIL: "javascript:window.pwned=1"},
    },
    "alertmanager": {"labels": {EVIL: EVIL}, "annotations": {"summary": EVIL, EVIL: EVIL}, "startsAt": EVIL},
    "webhook": {EVIL: [EVIL, {EVIL: EVIL}, None, 1]},
}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with chromium(tmp_path_factory.mktemp("chromium")) as port:
        yield port


@asynccontextmanager
async def studio(
    browser: int, config: Path, workshop: Workshop | None = None, *, is_drawn: bool = False
) -> AsyncIterator[tuple[Page, str]]:
    """The page, opened as the terminal says, with its first template rendered; and its origin."""
    async with browsing(browser, is_drawn=is_drawn) as page, running(workshop or Workshop(config), 0) as url:
        await page.go(url)
        await page.until("document.body?.dataset.rendered >= 1")
        yield page, url.partition("/?")[0]


async def after(page: Page, doing: object) -> None:
    """Wait until what is being done has been rendered."""
    before = int(await page.run("Number(document.body.dataset.rendered)"))
    await doing  # type: ignore[misc]  # a coroutine
    await page.until(f"document.body.dataset.rendered > {before}")


async def test_it_opens_without_its_password_in_sight(browser: int, config: Path) -> None:
    async with studio(browser, config, is_drawn=True) as (page, origin):
        assert await page.run("location.href") == f"{origin}/"
        assert await page.run("document.cookie") == ""
        assert await page.run("document.querySelector('#source').value") == MINE
        assert await page.text("#problems") == "none, for any example event"
        assert page.complaints == []
        assert {url.startswith(f"{origin}/") for url in page.asked if not url.startswith("about:")} == {True}
        await page.screenshot(file := config.parent / "studio.png")

    assert file.read_bytes().startswith(b"\x89PNG")


async def test_its_url_may_be_followed_from_a_page_of_others(browser: int, config: Path) -> None:
    """Such as a terminal in the browser; the browser keeps the cookie back from what another site has asked for."""
    async with browsing(browser) as page, running(Workshop(config), 0) as url:
        link = f"<!doctype html><a id=link href='{url}'>studio</a>".encode()
        async with Sink(answer("200 OK", link, Content_Type="text/html")).running() as other:
            await page.go(other.url("/").replace("127.0.0.1", "localhost"))
            await page.run("document.querySelector('#link').click()")
            await page.until("location.port === new URL('" + url + "').port && location.search === ''")
            await page.until("document.body?.dataset.rendered >= 1")
            await page.run("history.back(); 0")
            await page.until("document.querySelector('#link') !== null")

    assert page.complaints == []


async def test_what_is_wrong_shows_at_its_line_while_one_types(browser: int, config: Path) -> None:
    async with studio(browser, config) as (page, _):
        await after(page, page.write("#source", '{\n  "text":\n  "{{ alert_mesage }}"\n}'))
        told = await page.text("#problems")
        marked = await page.run("[...document.querySelectorAll('#template-lines .bad')].map((one) => one.innerText)")
        await page.run("document.querySelector('#problems button').click()")
        chosen = await page.run(
            "document.querySelector('#source').value.slice(document.querySelector('#source').selectionStart,"
            " document.querySelector('#source').selectionEnd)"
        )
        await after(page, page.write("#source", '{"text": "{{ alert_message }}"}'))
        mended = await page.text("#problems"), await page.text("#document")

    assert told.startswith('template line 3 there is no "alert_mesage"; did you mean "alert_message"?')
    assert marked == ["3"]
    assert chosen == '  "{{ alert_mesage }}"'
    assert mended[0] == "none, for any example event"
    assert '"text": "Gatecrier rejected a request ' in mended[1]


async def test_what_is_wrong_with_the_event_shows_beside_it(browser: int, config: Path) -> None:
    async with studio(browser, config) as (page, _):
        await after(page, page.write("#event", '{\n"data": {}\n"x": 1}'))
        told = await page.text("#problems")
        marked = await page.run("[...document.querySelectorAll('#event-lines .bad')].map((one) => one.innerText)")

    assert told.startswith("event line 3 the event is no JSON: ")
    assert marked == ["3"]


async def test_every_shipped_template_has_a_look(browser: int, config: Path) -> None:
    """Drawn without a mistake of the page, for every example of its purpose that comes first."""
    empty = list[str]()
    async with studio(browser, config) as (page, _):
        for one in shipped_entries():
            await after(page, page.choose("#template", one.name))
            if (
                len((await page.text("#look")).split()) < 5
                or await page.text("#problems") != "none, for any example event"
            ):
                empty.append(one.name)

    assert empty == []
    assert page.complaints == []


async def test_a_text_that_was_not_saved_is_still_there(browser: int, config: Path) -> None:
    async with studio(browser, config) as (page, _):
        await after(page, page.write("#source", '{"mine": "{{ namespace }}"}'))
        await after(page, page.choose("#template", "slack"))
        other = await page.run("document.querySelector('#source').value")
        await after(page, page.choose("#template", "mine"))
        again = await page.run("document.querySelector('#source').value")

    assert other.startswith("{")
    assert again == '{"mine": "{{ namespace }}"}'


async def test_a_template_is_saved_under_the_name_that_is_typed(browser: int, config: Path) -> None:
    file = config.parent / "templates" / "mine-too.json"
    async with studio(browser, config) as (page, _):
        await after(page, page.write("#source", '{"mine": "{{ namespace }}"}'))
        await page.write("#name", "../out")
        await page.run("document.querySelector('#save').click()")
        await page.until("document.querySelector('#status').className === 'bad'")
        refused = await page.text("#status")
        await page.write("#name", "mine-too")
        await page.run("document.querySelector('#save').click()")
        await page.until("document.querySelector('#status').className === 'good'")
        chosen = await page.run("document.querySelector('#template').value")

    assert refused.startswith("name: ")
    assert file.read_text() == '{"mine": "{{ namespace }}"}'
    assert chosen == "mine-too"
    assert not (config.parent / "out.json").exists()


async def test_what_is_typed_while_it_is_saved_is_not_taken_for_saved(browser: int, config: Path) -> None:
    file = config.parent / "templates" / "mine.json"
    async with studio(browser, config) as (page, _):
        await page.write("#source", "[1]")
        await page.run("document.querySelector('#save').click(); document.querySelector('#source').value = '[2]'")
        await page.until("document.querySelector('#status').className === 'good'")
        first = file.read_text()
        for name in ("slack", "mine"):
            await page.choose("#template", name)
            await page.until(f"document.querySelector('#name').value === '{name}'")
        draft = await page.run("document.querySelector('#source').value")

    assert (first, draft) == ("[1]", "[2]")


class _Busy(Workshop):
    """Takes its time with a text, and says so."""

    def __init__(self, config: Path) -> None:
        super().__init__(config)
        self.began, self.may_go_on = threading.Event(), threading.Event()

    def rendered(self, asked: RenderAsked) -> Object:
        if asked.source == "[0]":
            self.began.set()
            assert self.may_go_on.wait(30)
        return super().rendered(asked)


async def test_a_page_that_finds_it_busy_asks_again(browser: int, config: Path) -> None:
    """Another template is chosen while the last text is still being rendered."""
    workshop = _Busy(config)
    async with studio(browser, config, workshop) as (page, _):
        await page.run(
            "window.statuses = []; const real = fetch; window.fetch = async (...given) => {"
            " const said = await real(...given); statuses.push(said.status); return said; }; 0"
        )
        await page.write("#source", "[0]")
        await asyncio.to_thread(workshop.began.wait, 30)
        await page.choose("#template", "slack")
        await page.until("statuses.includes(429)")
        status = await page.run("document.querySelector('#status').className")
        workshop.may_go_on.set()
        await page.until("document.querySelector('#name').value === 'slack'")

    assert status == ""


async def test_that_examples_were_not_tried_is_said(
    browser: int, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with studio(browser, config) as (page, _):
        monkeypatch.setattr("router.cli.templates.studio.workshop.PATIENCE", 0.0)
        await after(page, page.write("#source", "[1]"))
        told = await page.text("#problems")

    assert told.split("\n")[0] == "none, for this event"
    assert "not every example event was tried" in told


async def test_no_text_becomes_markup(browser: int, config: Path) -> None:
    """Of a document, a template, an event or a name: whoever deploys chooses them."""
    data = WHOLE["data"]
    event = json.dumps({**WHOLE, "data": {**data, "cluster": EVIL, "request": {**data["request"], "namespace": EVIL}}})
    made = "document.querySelectorAll('main :is(script,img,svg,iframe,a,object,embed,link,style)').length"
    async with studio(browser, config) as (page, origin):
        for kind, document in DOCUMENTS.items():
            await after(page, page.choose("#template", kind))
            await after(page, page.write("#event", event))
            await after(page, page.write("#source", json.dumps(document).replace("{{", "{{ '{{' }}")))
            assert await page.text("#problems") == "none, for any example event"
            assert "<script>window.pwned=1</script>" in await page.text("#look")
            assert await page.run(made) == 0, kind
            await after(page, page.write("#source", "{{ namespace }} {{ " + EVIL))
            assert await page.text("#problems")
            assert await page.run(made) == 0, kind
        pwned = await page.run("typeof window.pwned")

    assert pwned == "undefined"
    assert page.complaints == []
    assert not [url for url in page.asked if not url.startswith((f"{origin}/", "about:"))]


async def test_the_policy_would_stop_a_mistake_of_ours(browser: int, config: Path) -> None:
    """Were a text ever made markup, the browser refuses to; nothing comes from elsewhere, and nothing goes there."""
    attempts = {
        "markup": "document.body.innerHTML = '<img src=x onerror=\"window.pwned=1\">'",
        "writing": "document.write('<script>window.pwned=1</script>')",
        "evaluating": "setTimeout('window.pwned=1')",
    }
    async with studio(browser, config) as (page, origin):
        for attempt in attempts.values():
            refused = await page.run(
                f"(() => {{ try {{ {attempt}; return ''; }} catch (error) {{ return error.name; }} }})()"
            )
            assert refused in {"TypeError", "EvalError"}
        loaded = await page.run(
            "new Promise((done) => { const one = document.createElement('script'); one.onerror = () => done('refused');"
            " one.onload = () => done('loaded'); one.setAttribute('nonce', 'x'); document.head.append(one);"
            " try { one.src = 'http://127.0.0.1:1/x.js'; } catch (error) { done('refused'); } })"
        )
        told = await page.run("fetch('http://127.0.0.1:1/').then(() => 'sent', () => 'refused')")
        pwned = await page.run("typeof window.pwned")

    assert (loaded, told, pwned) == ("refused", "refused", "undefined")
    assert not [url for url in page.asked if not url.startswith((f"{origin}/", "about:"))]


async def test_a_page_of_another_port_can_ask_nothing(browser: int, config: Path) -> None:
    """It is of the same site, so that the browser sends our cookie along: that alone must not be enough."""
    async with studio(browser, config) as (page, origin):
        hostile = f"""<!doctype html><body><form id=form method=post enctype=text/plain action="{origin}/api/save">
            <input name='{{"name":"pwned","source":"[1]","x":"' value='"}}'></form>
            <iframe name=inside src="{origin}/"></iframe><script src="{origin}/api/shelf"></script><script>
            const body = JSON.stringify({{name: "pwned", source: "[1]"}});
            const tries = [{{method: "POST", body, credentials: "include", mode: "no-cors"}},
              {{method: "POST", body, credentials: "include", headers: {{"Content-Type": "application/json"}}}},
              {{credentials: "include"}}];
            Promise.allSettled(tries.map((one) => fetch("{origin}/api/save", one).then((said) => said.text())))
              .then(async (all) => {{
                const reading = fetch("{origin}/api/shelf", {{credentials: "include"}});
                const read = await reading.then(() => "read", () => "refused");
                window.told = [...all.map((one) => one.value || "refused"), read];
              }});
            </script>""".encode()
        page_of_others = answer("200 OK", hostile, Content_Type="text/html")
        async with Sink(page_of_others).running() as other:
            await page.go(other.url("/"))
            await page.until("window.told !== undefined")
            told = await page.run("window.told")
            framed = await page.run(
                "(() => { try { return frames[0].document.body.innerText; } catch { return 'refused'; } })()"
            )
            await page.run("document.querySelector('#form').submit()")
            await page.until(f"location.href.startsWith({json.dumps(origin)})")
            answered = await page.text("body")

    assert told == ["refused"] * 4
    assert framed in {"refused", ""}
    assert answered.strip() == "another page asks"
    assert [one.name for one in (config.parent / "templates").iterdir()] == ["mine.json"]
