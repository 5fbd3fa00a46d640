"""The studio as whoever writes templates uses it, and as nobody else can: any page and any program may ask a port."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from router.cli import main
from router.cli.templates.flaws import flaws_of
from router.cli.templates.making import made
from router.cli.templates.shelf import wanted
from router.cli.templates.studio.door import Door
from router.cli.templates.studio.peers import TABLE, is_stranger
from router.cli.templates.studio.serving import BODY_LIMIT, FILES, running
from router.cli.templates.studio.workshop import Object, RenderAsked, Workshop
from router.destinations.catalogue import KINDS
from router.rendering.examples import BY_NAME, EXAMPLES, WHOLE
from router.rendering.template import SOURCE_LIMIT
from tests.architecture.gallery import shipped_entries

MINE = '{\n  "text": "{{ alert_message }}"\n}\n'
ROUTING_KEY = "0123456789abcdef0123456789abcdef"
PATHS = ["/", *FILES, "/api/shelf", "/api/template?name=slack", "/api/example?name=incident-opened"]
POSTS = ["/api/render", "/api/save"]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a template of one's own, and a destination whose secret is there."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "mine.json").write_text(MINE)
    (tmp_path / "key").write_text(ROUTING_KEY)
    settings = {
        "templates": {"directory": "templates"},
        "destinations": [
            {"name": "hook", "kind": "webhook", "url": "https://hook.example/x", "template": "mine"},
            {"name": "pager", "kind": "pagerduty", "routing_key": {"file": "key"}},
            {"name": "chat", "kind": "slack", "url": {"env": "NOBODY_HAS_THIS"}},
        ],
    }
    (tmp_path / "gatecrier.yaml").write_text(json.dumps(settings))
    return tmp_path / "gatecrier.yaml"


@dataclass
class Browser:
    """What a browser does that has opened the studio, or anything else that asks."""

    url: str
    session: aiohttp.ClientSession

    @property
    def origin(self) -> str:
        """Of the studio."""
        return self.url.partition("/?")[0]

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """Status and body."""
        async with self.session.get(self.origin + path, headers=named(headers)) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
            return answer.status, await answer.text()

    async def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        """Status, and what is said; a header that is empty is not sent."""
        sent = {"Origin": self.origin, "Content-Type": "application/json", **named(headers)}
        data = io.BytesIO(body if isinstance(body, bytes) else json.dumps(body).encode())
        sent = {name: value for name, value in sent.items() if value}
        async with self.session.post(self.origin + path, data=data, headers=sent) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
            text = await answer.text()
            return answer.status, json.loads(text) if answer.content_type == "application/json" else text


def changed(config: Path, **more: object) -> None:
    config.write_text(json.dumps({**json.loads(config.read_text()), **more}))


def named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def opened(workshop: Workshop) -> AsyncIterator[Browser]:
    """A browser that has opened its URL."""
    async with stranger(workshop) as browser, browser.session.get(browser.url) as answer:
        assert answer.status == 200
        yield browser


@asynccontextmanager
async def stranger(workshop: Workshop) -> AsyncIterator[Browser]:
    """One that has not."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with running(workshop, 0) as url, aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Browser(url, session)


def asking(source: str = MINE, template: str = "mine", event: object = WHOLE, **more: object) -> Mapping[str, object]:
    return {"template": template, "source": source, "event": json.dumps(event), **more}


# What it is for


@pytest.mark.parametrize("template", shipped_entries(), ids=lambda one: one.name)
def test_the_page_shows_what_production_makes(template: Any, config: Path) -> None:  # noqa: ANN401 - an entry
    example = next(iter(BY_NAME[template.purposes[0]].values()))
    asked = RenderAsked(template=template.name, source=template.source, event=json.dumps(example))
    answer = Workshop(config).rendered(asked)

    assert answer["body"] == made(template, example, None).body.decode()
    assert answer["problems"] == []


async def test_what_fails_is_told_at_its_line(config: Path) -> None:
    """As `templates lint` tells it, of the text that is being written and not of the file."""
    source = '{\n"a": "{{ event.workload.owner.name }}",\n"b": "{{ alert_mesage }}"}'
    async with opened(Workshop(config)) as browser:
        _, misspelt = await browser.post("/api/render", asking(source))
        _, unsure = await browser.post("/api/render", asking(source.replace("mesage", "message")))

    assert [(one["where"], one["line"]) for one in misspelt["problems"]] == [("template", 3)]
    assert misspelt["body"] is None
    (one,) = unsure["problems"]
    assert (one["line"], one["examples"][0]) == (2, "would-reject-one-image-no-owner")
    assert json.loads(unsure["body"])["a"] == "web-7d4b9c"


@pytest.mark.parametrize(
    ("event", "line", "words"),
    [
        ('{"data": {"x": 1000000000000000000000000000000}}', None, "the event holds what no event can: "),
        ('{"data": ' + '{"a":' * 300 + "1" + "}" * 301, None, "the event holds what no event can: "),
        ('{"data": {"decision": [], "request": 1}}', None, "the event is not whole: 'list' object is not a mapping"),
        ('{\n"data": {}\n"x": 1}', 3, "the event is no JSON: "),
        ("[" * 100_000, None, "the event is no JSON: "),
        ('{"data": 1}', None, "the event is no event; "),
        ('{"data": {}}', None, "the event is not whole: "),
        (json.dumps(BY_NAME["incident"]["incident-opened"]), None, "the template mine is for decisions; the event is"),
    ],
)
async def test_what_is_wrong_with_the_event_is_told_there(
    event: str, line: int | None, words: str, config: Path
) -> None:
    async with opened(Workshop(config)) as browser:
        status, answer = await browser.post("/api/render", {**asking(), "event": event})

    assert status == 200
    (one,) = answer["problems"]
    assert (one["where"], one["line"]) == ("event", line)
    assert one["text"].startswith(words)


async def test_a_destination_gives_its_form_and_keeps_its_secret(config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        source = wanted(config, "pagerduty").source
        _, answer = await browser.post("/api/render", asking(source, "pagerduty", destination="pager"))
        _, without = await browser.post("/api/render", asking(destination="chat"))
        _, nobody = await browser.post("/api/render", asking(destination="nobody"))

    assert (answer["kind"], answer["values"][0]["routing_key"]) == ("pagerduty", "[redacted]")
    assert ROUTING_KEY not in json.dumps(answer)
    assert [one["where"] for one in without["problems"] + nobody["problems"]] == ["destination"] * 2


async def test_a_secret_that_a_template_names_is_masked_too(config: Path) -> None:
    hook = {"name": "hook", "kind": "webhook", "url": "https://hook.example/x", "template": "mine"}
    changed(config, destinations=[{**hook, "secrets": {"token": {"file": "key"}}}])
    async with opened(Workshop(config)) as browser:
        source = '{"token": "{{ destination.secrets.token }}"}'
        answers = [await browser.post("/api/render", asking(source, destination=one)) for one in ("hook", None)]
        _, unknown = await browser.post(
            "/api/render", asking(source.replace("token }}", "tokn }}"), destination="hook")
        )

    assert [answer["values"] for _, answer in answers] == [[{"token": "[redacted]"}]] * 2
    assert ROUTING_KEY not in json.dumps([answers, unknown])
    assert [one["line"] for one in unknown["problems"]] == [1]


def test_a_template_that_takes_long_is_tried_for_fewer_events(config: Path) -> None:
    """Each rendering ends by itself; sixty of them after each key would keep the page waiting."""
    template = replace(wanted(config, "mine"), draft='{"a": "{{ event.workload.owner.name }}"}')
    turns = iter([True, False])

    assert [*flaws_of(template, lambda: next(turns))] == []
    assert len([*flaws_of(template)]) == 1


@pytest.mark.parametrize("patience", [0.0, 600.0])
def test_it_is_said_whether_all_examples_were_tried(
    patience: float, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("router.cli.templates.studio.workshop.PATIENCE", patience)
    answer = Workshop(config).rendered(RenderAsked(template="mine", source=MINE, event=json.dumps(WHOLE)))

    assert (answer["problems"], answer["is_tried_for_all"]) == ([], patience > 0)


async def test_a_template_that_would_not_end_ends(config: Path) -> None:
    loops = "{% for a in event.images %}" * 8
    source = f'["{loops}x{"{% endfor %}" * 8}"]'
    async with opened(Workshop(config)) as browser:
        _, answer = await browser.post("/api/render", asking(source))

    assert answer["body"] is None
    assert {one["text"] for one in answer["problems"]} == {"the template takes more than 100000 steps; loop over less"}


async def test_the_shelf_names_what_there_is(config: Path, tmp_path: Path) -> None:
    async with opened(Workshop(config)) as browser:
        _, text = await browser.get("/api/shelf")
        shelf = json.loads(text)
        _, template = await browser.get("/api/template?name=mine")
        _, example = await browser.get("/api/example?name=admitted-one-image")

    assert {one["name"] for one in shelf["templates"]} >= {"mine", "slack", "notices/slack"}
    assert [(one["name"], one["kind"]) for one in shelf["destinations"]] == [
        ("hook", "webhook"),
        ("pager", "pagerduty"),
        ("chat", "slack"),
    ]
    assert shelf["folder"] == str(tmp_path / "templates")
    assert json.loads(template)["source"] == MINE
    assert json.loads(json.loads(example)["event"]) == EXAMPLES["admitted-one-image"]


def test_every_look_is_of_a_kind_that_there_is() -> None:
    looks = (Path(__file__).parents[2] / "router/cli/templates/studio/page/looks.js").read_text()
    found = re.search(r"export const LOOKS = \{ (.*) \};", looks)

    assert found is not None
    assert {one.partition(":")[0] for one in found[1].split(", ")} <= {kind.name for kind in KINDS}


# Saving


async def test_a_template_is_saved_whole_and_as_it_was_opened(config: Path) -> None:
    file = config.parent / "templates" / "mine.json"
    async with opened(Workshop(config)) as browser:
        version = json.loads((await browser.get("/api/template?name=mine"))[1])["version"]
        first = await browser.post("/api/save", {"name": "mine", "source": "[1]", "version": version})
        stale = await browser.post("/api/save", {"name": "mine", "source": "[2]", "version": version})
        again = await browser.post("/api/save", {"name": "mine", "source": "[3]", "version": first[1]["version"]})

    assert [first[0], stale[0], again[0]] == [200, 400, 200]
    assert stale[1]["error"].startswith("mine is not what it was when you opened it; ")
    assert file.read_text() == "[3]"
    assert file.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in file.parent.iterdir()] == ["mine.json"]


@pytest.mark.parametrize("content", [b"\xff", b" " * (SOURCE_LIMIT + 1)], ids=["no UTF-8", "too large"])
async def test_what_can_not_be_opened_is_not_overwritten(content: bytes, config: Path) -> None:
    """Nobody can have seen it: whatever version is named."""
    file = config.parent / "templates" / "theirs.json"
    file.write_bytes(content)
    async with opened(Workshop(config)) as browser:
        status, _ = await browser.get("/api/template?name=theirs")
        refused, answer = await browser.post("/api/save", {"name": "theirs", "source": "[1]", "version": None})

    assert (status, refused) == (400, 400)
    assert answer["error"]
    assert file.read_bytes() == content


async def test_what_is_saved_can_be_read_again(config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        status, answer = await browser.post("/api/save", {"name": "wide", "source": "ö" * SOURCE_LIMIT})

    assert (status, answer["error"]) == (400, "a template has at most 262144 bytes; this one has 524288")
    assert not (config.parent / "templates" / "wide.json").exists()


async def test_a_shipped_one_is_saved_as_ones_own(config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        status, answer = await browser.post("/api/save", {"name": "slack", "source": "[1]", "version": None})
        _, shelf = await browser.get("/api/shelf")

    assert (status, answer["file"]) == (200, str(config.parent / "templates" / "slack.json"))
    assert ("slack", "directory") in {(one["name"], one["origin"]) for one in json.loads(shelf)["templates"]}


async def test_without_a_folder_nothing_is_saved(tmp_path: Path) -> None:
    (tmp_path / "gatecrier.yaml").write_text("{}")
    async with opened(Workshop(tmp_path / "gatecrier.yaml")) as browser:
        status, answer = await browser.post("/api/save", {"name": "mine", "source": "[1]"})

    assert (status, answer["error"]) == (400, "the configuration names no templates.directory to save into; add one")


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "..",
        "a/b",
        "/etc/x",
        ".x",
        "x\0y",
        "X",
        "",
        "a" * 64,
        "notices/slack",
        "a\\b",
        "%2e%2e%2fx",
        "ö",
        None,
        1,
    ],
)
async def test_no_name_leads_out_of_the_folder(name: object, config: Path) -> None:
    before = {*config.parent.rglob("*")}
    async with opened(Workshop(config)) as browser:
        status, _ = await browser.post("/api/save", {"name": name, "source": "[1]"})

    assert status == 400
    assert {*config.parent.rglob("*")} == before


async def test_no_link_leads_out_of_the_folder(config: Path) -> None:
    outside = config.parent / "outside"
    outside.write_text("[0]")
    (config.parent / "templates" / "led.json").symlink_to(outside)
    async with opened(Workshop(config)) as browser:
        version = json.loads((await browser.get("/api/template?name=led"))[1])["version"]
        status, _ = await browser.post("/api/save", {"name": "led", "source": "[1]", "version": version})

    assert (status, outside.read_text()) == (200, "[0]")
    assert (config.parent / "templates" / "led.json").read_text() == "[1]"


async def test_a_folder_that_can_not_be_written_is_told(config: Path) -> None:
    changed(config, templates={"directory": "no/such"})
    async with opened(Workshop(config)) as browser:
        status, answer = await browser.post("/api/save", {"name": "mine", "source": "[1]"})

    assert status == 400
    assert "no/such/mine.json can't be written: No such file or directory" in answer["error"]


@pytest.mark.parametrize(
    "path",
    ["/../door.py", "/page/index.html", "/door.py", "/%2e%2e/door.py", "/studio.js/..%2f..%2fdoor.py", "/etc/passwd"],
)
async def test_no_other_file_is_served(path: str, config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        host, port = browser.origin.removeprefix("http://").split(":")
        cookie = next(iter(browser.session.cookie_jar))
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {cookie.key}={cookie.value}\r\n".encode())
        writer.write(b"Connection: close\r\n\r\n")
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 404 ")


# Who may ask


async def test_the_token_becomes_a_cookie_once(config: Path) -> None:
    async with stranger(Workshop(config)) as browser, browser.session.get(browser.url, allow_redirects=False) as answer:
        (cookie,) = answer.headers.getall("Set-Cookie")
        again = [(await browser.get(browser.url.partition(browser.origin)[2]))[0]]
        async with aiohttp.ClientSession() as other, other.get(browser.url) as refused:
            again.append(refused.status)

    assert answer.status == 200
    assert re.fullmatch(r"gatecrier-studio-\d+=[\w-]{43}; HttpOnly; Path=/; SameSite=Strict", cookie)
    assert cookie.split("=")[1].split(";")[0] not in browser.url
    assert again == [200, 403]  # who has the cookie may open it again; another may not


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "ö"])
async def test_another_token_opens_nothing(token: str, config: Path) -> None:
    async with (
        stranger(Workshop(config)) as browser,
        browser.session.get(browser.origin, params={"token": token}) as answer,
    ):
        assert (answer.status, "Set-Cookie" in answer.headers) == (403, False)


@pytest.mark.parametrize("path", [*PATHS, *POSTS])
async def test_without_the_cookie_nothing_is_answered(path: str, config: Path) -> None:
    async with stranger(Workshop(config)) as browser:
        asked = browser.post(path, asking()) if path in POSTS else browser.get(path)
        status, text = await asked
        wrong = await browser.get(path, Cookie=f"{Door(int(browser.origin.rpartition(':')[2])).cookie}=wrong")

    assert (status, wrong[0]) == (403, 403)
    assert text.startswith("open the URL that the terminal shows")


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost:PORT"},
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:PORT.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:PORT"},
        {"Origin": "null"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
    ],
    ids=str,
)
async def test_no_other_page_may_ask(headers: Mapping[str, str], config: Path) -> None:
    """Whatever cookie its browser sends along: neither a name that leads here, nor another site, nor another port."""
    async with opened(Workshop(config)) as browser:
        port = browser.origin.rpartition(":")[2]
        sent = {name: value.replace("PORT", port) for name, value in headers.items()}
        statuses = [(await browser.get(path, **sent))[0] for path in PATHS]
        statuses += [(await browser.post(path, asking(), **sent))[0] for path in POSTS]

    assert {*statuses} == {403}
    assert (config.parent / "templates" / "mine.json").read_text() == MINE


@pytest.mark.parametrize(("port", "is_let_in"), [(80, True), (8080, False)])
@pytest.mark.parametrize("verb", ["GET", "POST"])
def test_browsers_name_no_port_where_it_is_that_of_http(verb: str, port: int, *, is_let_in: bool) -> None:
    """RFC 9110, clause 4.2.1, and RFC 6454, clause 6.2."""
    door = Door(port)
    cookie = door.take(door.url.partition("token=")[2]) or ""
    headers = {"Host": "127.0.0.1", "Origin": "http://127.0.0.1", "Content-Type": "application/json"}

    assert (door.refusal(verb, headers, cookie) == "") is is_let_in
    named = {**headers, "Host": f"127.0.0.1:{port}", "Origin": f"http://127.0.0.1:{port}"}
    assert door.refusal(verb, named, cookie) == ""
    assert door.refusal(verb, {**named, "Host": "127.0.0.1:"}, cookie)
    assert door.refusal(verb, {**named, "Origin": "https://127.0.0.1"}, cookie) == "another page asks"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": ""},
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": "multipart/form-data; boundary=x"},
        {"Content_Type": "text/plain; application/json"},
    ],
    ids=str,
)
async def test_what_a_form_can_send_is_refused(headers: Mapping[str, str], config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        status, _ = await browser.post("/api/save", {"name": "x", "source": "[1]"}, **headers)

    assert status == 403
    assert not (config.parent / "templates" / "x.json").exists()


async def test_no_browser_is_told_that_others_may_ask(config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        preflight = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
        async with browser.session.options(browser.origin + "/api/save", headers=preflight) as answer:
            assert answer.status == 403
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_the_policy_stands_in_every_answer(path: str, config: Path) -> None:
    async with opened(Workshop(config)) as browser, browser.session.get(browser.origin + path) as answer:
        policy = answer.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


OURS, THEIRS = "0100007F:1F90", "0100007F:C350"
HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"


def row(own: str, other: str, state: str, user: int) -> str:
    return f"   0: {own} {other} {state} 00000000:00000000 00:00000000 00000000 {user:5} 0 1 1 0\n"


LISTENING = row(OURS, "00000000:0000", "0A", 1000)


@pytest.mark.skipif(sys.byteorder != "little", reason="the rows are those of a little-endian machine")
@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (LISTENING + row(THEIRS, OURS, "01", 1000) + row(OURS, THEIRS, "01", 1000), False),
        (LISTENING + row(THEIRS, OURS, "01", 0), False),
        (LISTENING + row(THEIRS, OURS, "01", 1001) + row(OURS, THEIRS, "01", 1000), True),
        (LISTENING + row(THEIRS, OURS, "05", 0), True),
        (LISTENING, True),
        (row(THEIRS, OURS, "01", 1001), False),
        ("", False),
    ],
    ids=["ours", "root", "another user", "left", "gone", "a table without us", "no table"],
)
def test_another_user_is_told_by_the_table_of_connections(rows: str, expected: object) -> None:
    assert is_stranger(50000, 8080, HEAD + rows, frozenset({0, 1000})) is expected


@pytest.mark.skipif(os.geteuid() != 0 or not TABLE.exists(), reason="only root can ask as another user, on Linux")
async def test_another_user_of_the_machine_opens_nothing(config: Path) -> None:
    """Who has seen the URL in the list of processes: it is still good for the browser that it is meant for."""
    asking = (
        "import encodings.idna, os, socket, sys; os.setuid(65534);"
        " one = socket.create_connection(('127.0.0.1', int(sys.argv[1])));"
        " one.sendall(sys.argv[2].encode()); print(b''.join(iter(lambda: one.recv(4096), b'')))"
    )
    async with stranger(Workshop(config)) as browser:
        address, _, token = browser.url.removeprefix("http://").partition("/")
        head = f"GET /{token} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
        command = [sys.executable, "-c", asking, address.partition(":")[2], head]
        theirs = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        async with browser.session.get(browser.url) as ours:
            assert ours.status == 200

    assert "HTTP/1.1 403 " in theirs.stdout
    assert "another user of this machine asks; " in theirs.stdout


# Limits


async def test_a_body_that_is_too_large_is_not_taken(config: Path) -> None:
    async with opened(Workshop(config)) as browser:
        large, _ = await browser.post("/api/render", b"[" * (BODY_LIMIT + 1))
        longer, said = await browser.post("/api/render", asking("a" * (SOURCE_LIMIT + 1)))
        nested, _ = await browser.post("/api/render", b"[" * BODY_LIMIT)

    assert (large, longer, nested) == (413, 400, 400)
    assert said["error"].startswith("source: ")


async def test_a_stranger_s_body_is_not_even_read(config: Path) -> None:
    async with stranger(Workshop(config)) as browser:
        host, port = browser.origin.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /api/render HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {browser.origin}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n".encode())
        answer = await reader.readline()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 403 ")


class _Slow(Workshop):
    """Takes until it may go on."""

    def __init__(self, config: Path) -> None:
        super().__init__(config)
        self.began, self.may_go_on = threading.Event(), threading.Event()

    def rendered(self, asked: RenderAsked) -> Object:
        self.began.set()
        assert self.may_go_on.wait(30)
        return super().rendered(asked)


async def test_one_thing_at_a_time_is_made(config: Path) -> None:
    """However many are asked for, and although who asked has gone."""
    workshop = _Slow(config)
    async with opened(workshop) as browser:
        first = asyncio.create_task(browser.post("/api/render", asking()))
        await asyncio.to_thread(workshop.began.wait)
        meanwhile = await browser.post("/api/render", asking())
        workshop.may_go_on.set()
        status, _ = await first
        after, _ = await browser.post("/api/render", asking())

    assert (meanwhile[0], status, after) == (429, 200, 200)


# The command


def test_the_url_alone_is_printed_and_opened(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened_ones = list[str]()

    def open_it(url: str) -> None:
        opened_ones.append(url)
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("webbrowser.open", open_it)
    code = main(["templates", "studio", "--config", str(config)])
    out, err = capsys.readouterr()

    assert (code, err) == (0, "")
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", out)
    assert opened_ones == [out.strip()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_when_it_is_told_to(number: signal.Signals, config: Path) -> None:
    command = [sys.executable, "-m", "router", "templates", "studio", "--no-browser", "--config", str(config)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
        assert studio.stdout is not None
        url = studio.stdout.readline()
        studio.send_signal(number)
        rest = studio.stdout.read()

    assert url.startswith("http://127.0.0.1:")
    assert (studio.returncode, rest) == (0, "")


def test_a_port_that_is_taken_and_a_configuration_that_is_not_there_are_told(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["templates", "studio", "--no-browser", "--port", port, "--config", str(config)]) == 3
    assert f"can't listen on 127.0.0.1:{port}" in capsys.readouterr().err
    assert main(["templates", "studio", "--no-browser", "--config", str(config.with_name("none.yaml"))]) == 3


@pytest.mark.parametrize("port", ["x", "-1", "65536", "99999999999"])
def test_a_port_is_a_number(port: str) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["templates", "studio", f"--port={port}"])
