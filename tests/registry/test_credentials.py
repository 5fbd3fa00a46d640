from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.registry.credentials import Credential, Credentials, parse_docker_config

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["auths", "auth", "username", "password", "a.example", "identitytoken"]), inner
        )
    ),
    max_leaves=12,
)


def config(**entries: object) -> bytes:
    return json.dumps({"auths": {key.replace("__", "."): value for key, value in entries.items()}}).encode()


def users(*keys: str) -> Credentials:
    return Credentials({key: Credential(username=key) for key in keys})


def chosen(credentials: Credentials, registry: str, repository: str = "team/app") -> str | None:
    found = credentials.find(registry, repository)
    return found.username if found is not None else None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"auth": base64.b64encode(b"user:pa:ss").decode()}, Credential("user", "pa:ss")),
        ({"auth": base64.b64encode(b"user:pass\0\0").decode()}, Credential("user", "pass")),
        ({"username": "user", "password": "pass"}, Credential("user", "pass")),
        ({"username": "x", "password": "y", "auth": base64.b64encode(b"u:p").decode()}, Credential("u", "p")),
        ({"auth": base64.b64encode(b"0000:").decode(), "identitytoken": "t"}, Credential("0000", "", "t")),
        ({"registrytoken": "t", "email": "a@example"}, Credential(registry_token="t")),
    ],
)
def test_every_form_of_an_entry_is_read(entry: dict[str, str], expected: Credential) -> None:
    assert parse_docker_config(config(a__example=entry)).find("a.example", "x") == expected


def test_user_name_and_password_make_a_basic_header() -> None:
    assert Credential("Aladdin", "open sesame").basic == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert Credential(identity_token="t").basic is None


@pytest.mark.parametrize(
    ("keys", "registry", "repository", "expected"),
    [
        (["a.example"], "a.example", "x", "a.example"),
        (["a.example"], "A.Example", "x", "a.example"),
        (["a.example"], "a.example:5000", "x", None),
        (["a.example:5000"], "a.example:5000", "x", "a.example:5000"),
        (["https://a.example/v1/"], "a.example", "x", "https://a.example/v1/"),
        (["http://a.example/v2/team"], "a.example", "team/app", "http://a.example/v2/team"),
        (["a.example", "a.example/team", "a.example/team/app"], "a.example", "team/app", "a.example/team/app"),
        (["a.example/team/app", "a.example/team"], "a.example", "team/other", "a.example/team"),
        (["a.example/team"], "a.example", "teams/app", None),
        (["a.example/team"], "a.example", "team", "a.example/team"),
        (["*.example", "a.example"], "a.example", "x", "a.example"),
        (["*.example"], "a.example", "x", "*.example"),
        (["*.example"], "a.b.example", "x", None),
        (["*.example"], "a.example.evil", "x", None),
        (["*.example"], "a.example:5000", "x", None),
        (["pre*.example"], "prefix.example", "x", "pre*.example"),
        (["a.example"], "axexample", "x", None),
        (["https://index.docker.io/v1/"], "docker.io", "library/nginx", "https://index.docker.io/v1/"),
        (["docker.io"], "docker.io", "library/nginx", "docker.io"),
        (["registry-1.docker.io"], "docker.io", "library/nginx", "registry-1.docker.io"),
        (["docker.io:443"], "docker.io", "library/nginx", "docker.io:443"),
        (["docker.io"], "registry-1.docker.io.example", "library/nginx", None),
        (["docker.io"], "docker.io:5000", "library/nginx", None),
        (["A.Example:443"], "a.example", "x", "A.Example:443"),
        (["https://a.example:0443/v1/"], "a.example", "x", "https://a.example:0443/v1/"),
        (["a.example:05000"], "a.example:5000", "x", "a.example:05000"),
        (["*.Example:443"], "a.example", "x", "*.Example:443"),
        (["a.example:80"], "a.example", "x", None),
        (["a_b.example"], "a.example", "x", None),
        (["registry"], "registry:443", "x", "registry"),
        (["[0:0::1]:5000"], "[::1]:5000", "x", "[0:0::1]:5000"),
        (["index.docker.io/team"], "docker.io", "team/app", "index.docker.io/team"),
        (["[::1]:5000"], "[::1]:5000", "x", "[::1]:5000"),
    ],
)
def test_the_most_specific_key_wins(keys: list[str], registry: str, repository: str, expected: str | None) -> None:
    assert chosen(users(*keys), registry, repository) == expected


def test_a_registry_is_spoken_of_by_any_of_its_paths() -> None:
    credentials = users("a.example/team")

    assert credentials.speaks_of("a.example")
    assert not credentials.speaks_of("b.example")
    assert credentials
    assert not Credentials()


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"", "not valid JSON"),
        (b"{", "line 1"),
        (b"[]", '"auths"'),
        (b'{"auths": []}', '"auths"'),
        (b'{"auths": {"a.example": {}}, "credsStore": "desktop"}', "credential helpers"),
        (config(a__example=[]), "not an object"),
        (config(a__example={"auth": 5}), "auth is not a text"),
        (config(a__example={"auth": "secret!"}), "not valid base64"),
        (config(a__example={"auth": base64.b64encode(b"secret").decode()}), "not valid base64"),
        (config(a__example={"auth": base64.b64encode(b":secret").decode()}), "not valid base64"),
        (config(a__example={"auth": base64.b64encode(b"\xff:secret").decode()}), "not valid base64"),
        (config(a__example={"identitytoken": "secret\r\nX: 1"}), "identitytoken"),
        (config(**{"a b": {"username": "secret"}}), "not a valid registry"),
        (json.dumps({"auths": {str(i): {} for i in range(1001)}}).encode(), "more than 1000"),
    ],
)
def test_what_is_no_docker_config_is_refused_without_showing_it(content: bytes, because: str) -> None:
    with pytest.raises(ValueError, match=because) as caught:
        parse_docker_config(content)

    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("content", [b"{}", b'{"auths": {}}'])
def test_an_empty_file_means_anonymous(content: bytes) -> None:
    """That is how tools write it, and a file that is there before anybody has logged in is no mistake."""
    assert not parse_docker_config(content)


@given(JSON.map(json.dumps).map(str.encode) | st.binary(max_size=30))
def test_no_content_crashes_the_reader(content: bytes) -> None:
    try:
        credentials = parse_docker_config(content)
    except ValueError:
        return

    assert credentials or json.loads(content) in ({}, {"auths": {}})
