"""`gatecrier check`: what the gate would decide about manifests and AdmissionReviews."""

from __future__ import annotations

import errno
import io
import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.cli import main
from router.cli.check import manifests
from tests.admission import recorded
from tests.simulators.docker_registry import DockerRegistry
from tests.verification.world import DATA

pytestmark = pytest.mark.usefixtures("_log_of_the_test")
Captured = pytest.CaptureFixture[str]
POLICY = [
    {"pattern": "r.example/free/*", "verifier": "allow"},
    {"pattern": "r.example/watched/*", "verifier": "deny", "mode": "detect"},
    {"pattern": "r.example/down/*", "verifier": "keys"},
    {"pattern": "r.example/soft/*", "verifier": "keys", "on_unverifiable": "admit"},
]
FREE, DENIED, WATCHED, DOWN = "r.example/free/a:1", "r.example/none/a:1", "r.example/watched/a:1", "r.example/down/a:1"


@pytest.fixture
def config(tmp_path: Path) -> str:
    """A configuration that asks nobody but a registry that is not there."""
    key = (DATA / "keys" / "release.pub").read_text()
    document = {
        "cluster": "test",
        "enforcement": {"namespaces": {"strict": "enforce"}},
        "verifiers": [{"name": "keys", "kind": "cosign", "keys": [{"name": "release", "pem": key}]}],
        "policy": POLICY,
    }
    path = tmp_path / "gatecrier.yaml"
    path.write_text(json.dumps(document))
    return f"--config={path}"


def pod(*images: str, name: str = "web", namespace: str | None = None) -> dict[str, Any]:
    containers = [{"name": f"c{number}", "image": image} for number, image in enumerate(images)]
    metadata = {"name": name} | ({} if namespace is None else {"namespace": namespace})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers}}


def written(folder: Path, *documents: object, name: str = "manifest.yaml") -> str:
    path = folder / name
    path.write_text("\n---\n".join(json.dumps(document) for document in documents))
    return str(path)


def said(capsys: Captured, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    code = main(["check", "--json", *arguments])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else [], err


@pytest.mark.parametrize(
    ("images", "namespace", "codes"),
    [
        ([FREE], "strict", (0, 0)),
        ([DENIED], "strict", (1, 1)),
        ([DENIED], "staging", (1, 0)),
        ([WATCHED], "strict", (1, 0)),
        ([DOWN], "strict", (3, 3)),
        ([DOWN], "staging", (3, 0)),
        ([DOWN, DENIED, FREE], "strict", (1, 1)),
        ([DOWN, WATCHED], "strict", (1, 3)),
        (["r.example/soft/a:1"], "strict", (3, 3)),
    ],
)
def test_what_enforcement_would_reject_is_told_whatever_is_enforced(
    capsys: Captured, config: str, tmp_path: Path, images: list[str], namespace: str, codes: tuple[int, int]
) -> None:
    """The name r.example can't be looked up, which is never the registry's doing, so that nothing is tolerated."""
    file = written(tmp_path, pod(*images, namespace=namespace))
    plain, (answer,), _ = said(capsys, config, file)
    forced, _, _ = said(capsys, config, "--in-force", file)

    assert (plain, forced) == codes
    assert [image["image"] for image in answer["images"]] == images
    assert answer["object"] == {
        "api_version": "v1", "kind": "Pod", "namespace": namespace, "name": "web", "operation": "CREATE",
    }  # fmt: skip


def test_an_object_without_a_namespace_is_created_in_the_one_that_is_given(
    capsys: Captured, config: str, tmp_path: Path
) -> None:
    file = written(tmp_path, pod(DENIED))
    codes = [said(capsys, config, "--in-force", *given, file)[0] for given in ([], ["--namespace=strict"])]

    assert codes == [0, 1]


def test_names_that_are_null_are_none_as_for_the_api_server(capsys: Captured, config: str, tmp_path: Path) -> None:
    """A chart writes `namespace:` where its value is empty."""
    nameless = {"namespace": None, "name": None, "generateName": None}
    file = written(tmp_path, {**pod(DENIED), "metadata": nameless})
    codes = [said(capsys, config, "--in-force", *given, file)[0] for given in ([], ["--namespace=strict"])]

    assert codes == [0, 1]


@pytest.mark.parametrize("items", [{}, {"items": None}, {"items": []}])
def test_a_list_of_nothing_is_no_object(
    capsys: Captured, config: str, tmp_path: Path, items: dict[str, object]
) -> None:
    file = written(tmp_path, {"apiVersion": "v1", "kind": "List", **items})

    assert said(capsys, config, file) == (3, [], "there is no object in what was given\n")


def test_documents_lists_and_reviews_are_all_taken_apart(capsys: Captured, config: str, tmp_path: Path) -> None:
    inner = {"apiVersion": "v1", "kind": "PodList", "metadata": {}, "items": [pod(FREE, name="third")]}
    listed = {"apiVersion": "v1", "kind": "List", "items": [pod(FREE, name="second"), inner]}
    review = recorded.parsed("deployment-create")
    file = written(tmp_path, pod(FREE, name="first"), None, listed, review)
    _, answers, _ = said(capsys, config, file)

    assert [answer["object"]["name"] for answer in answers[:3]] == ["first", "second", "third"]
    assert answers[3]["object"]["kind"] == "Deployment"
    assert answers[3]["images"]


@pytest.mark.parametrize("name", recorded.NAMES)
def test_what_a_real_api_server_sent_is_asked_as_it_stands(
    capsys: Captured, config: str, tmp_path: Path, name: str
) -> None:
    workload = recorded.workload(recorded.body(name))
    path = tmp_path / "review.json"
    path.write_bytes(recorded.body(name))
    _, (answer,), _ = said(capsys, config, "--timeout=5s", str(path))

    assert answer["skip"] == (None if workload.skip is None else workload.skip.value)
    assert [image["image"] for image in answer["images"]] == [place.image for place in workload.places]


def test_an_object_that_runs_no_image_is_fine(capsys: Captured, config: str, tmp_path: Path) -> None:
    file = written(tmp_path, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}})
    code, (answer,), _ = said(capsys, config, file)

    assert (code, answer["skip"], answer["decision"]) == (0, "no_images", None)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (pod() | {"spec": {"containers": 3}}, "spec.containers is 3; expected a list"),
        (pod() | {"spec": {"volumes": 3}}, "spec.volumes is 3; expected a list"),
        (pod() | {"spec": {"volumes": ["x"]}}, 'spec.volumes[0] is "x"; expected a map'),
        (pod() | {"spec": {"volumes": [{"image": "x"}]}}, 'spec.volumes[0].image is "x"; expected a map'),
        (pod() | {"spec": {"initContainers": {"image": DENIED}}}, "spec.initContainers is a map; expected a list"),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {}, "spec": {"template": "x"}},
            'spec.template is "x"; expected a map',
        ),
    ],
)
def test_a_workload_that_the_api_server_could_not_read_can_not_be_told(
    capsys: Captured, config: str, tmp_path: Path, document: dict[str, Any], problem: str
) -> None:
    code, (answer,), _ = said(capsys, config, written(tmp_path, document))

    assert (code, answer["exit_code"]) == (3, 3)
    assert answer["problem"] == f"{problem}: the API server would refuse it"


def test_a_workload_without_containers_is_one_that_runs_no_image(capsys: Captured, config: str, tmp_path: Path) -> None:
    """A patch, say, that others are laid upon."""
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 3}}
    code, answers, _ = said(capsys, config, written(tmp_path, patch, pod(), pod() | {"spec": None}))

    assert (code, [answer["skip"] for answer in answers]) == (0, ["no_images"] * 3)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("replicas: 3\n", 1, "apiVersion or kind is missing"),
        ("- a\n- b\n", 1, "of no use"),
        ("a: [\n", 2, "this is not valid YAML"),
        ("kind: Pod\napiVersion: v1\nkind: Job\n", 3, "stands twice"),
        ("a: !!python/object:os.system x\n", 1, "tag"),
        ("a: \x01\n", 1, "U+0001"),
        ("{" * 100, 1, "within each other"),
    ],
)
def test_what_is_no_object_can_not_be_told_and_hides_nothing_else(
    capsys: Captured, config: str, tmp_path: Path, text: str, line: int, words: str
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(text)
    good = written(tmp_path, pod(FREE))
    wrong = written(tmp_path, pod(DENIED), name="wrong.yaml")
    code, answers, _ = said(capsys, config, str(bad), good)

    assert code == 3
    assert (answers[0]["line"], answers[0]["object"]) == (line, None)
    assert words in answers[0]["problem"]
    assert answers[1]["exit_code"] == 0
    assert said(capsys, config, str(bad), good, wrong)[0] == 1


def test_documents_before_a_broken_one_are_judged(capsys: Captured, config: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(json.dumps(pod(DENIED)) + "\n---\na: b: c\n")
    code, answers, _ = said(capsys, config, str(path))

    assert (code, [answer["exit_code"] for answer in answers]) == (1, [1, 3])


def test_aliases_and_merge_keys_stand_for_what_they_name(capsys: Captured, config: str, tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web, labels: {8080: on}}\nspec:\n  containers:\n"
        f'  - &base {{name: a, image: "{FREE}"}}\n  - {{<<: *base, name: b}}\n'
        f'  - {{<<: [*base, {{image: "x/y"}}], image: "{DENIED}"}}\n'
    )
    code, (answer,), _ = said(capsys, config, str(path))

    assert code == 1
    assert [(image["container"], image["image"]) for image in answer["images"]] == [
        ("a", FREE), ("b", FREE), ("a", DENIED),
    ]  # fmt: skip


def test_a_bomb_of_aliases_ends_at_a_limit(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines))
    (told,) = manifests.read_all([path], "default")

    assert isinstance(told, manifests.UnreadableManifest)
    assert "with its aliases the file holds more than" in told.problem


def test_folders_are_searched_and_standard_input_is_read(
    capsys: Captured, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deploy"
    (folder / "b").mkdir(parents=True)
    written(folder / "b", pod(FREE, name="second"), name="x.yml")
    written(folder, pod(FREE, name="first"), name="a.json")
    (folder / "README.md").write_text("no manifest")
    given = io.TextIOWrapper(io.BytesIO(json.dumps(pod(FREE, name="third")).encode()))
    monkeypatch.setattr(sys, "stdin", given)
    code, answers, _ = said(capsys, config, str(folder), "-")

    assert code == 0
    assert [answer["object"]["name"] for answer in answers] == ["first", "second", "third"]
    assert answers[2]["file"] == "standard input"


def test_nothing_at_all_is_not_fine(capsys: Captured, config: str, tmp_path: Path) -> None:
    """Whoever names the wrong folder must not be told that everything is let in."""
    code, answers, err = said(capsys, config, str(tmp_path / "empty"))
    (tmp_path / "empty").mkdir()
    nothing, _, said_so = said(capsys, config, str(tmp_path / "empty"))

    assert (code, answers) == (2, [])
    assert "there is no file or folder" in err
    assert (nothing, said_so) == (3, "there is no object in what was given\n")


def test_a_file_that_can_not_be_read_is_told(capsys: Captured, config: str, tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(manifests.SIZE_LIMIT + 1)
    code, (answer,), _ = said(capsys, config, str(path))

    assert code == 3
    assert answer["problem"].startswith("it can't be read: it has more than")


def test_a_folder_that_can_not_be_searched_is_told_and_hides_nothing_else(
    capsys: Captured, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever may not look must not say that it is fine; root may look everywhere, so the refusal is played."""
    hidden = tmp_path / "deploy" / "hid"
    hidden.mkdir(parents=True)
    (tmp_path / "deploy" / "later").mkdir()
    written(hidden, pod(DENIED))
    written(hidden.parent / "later", pod(FREE))
    scandir = os.scandir

    def refusing(path: str) -> object:
        if path == str(hidden):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    code, (told, fine), _ = said(capsys, config, str(hidden.parent))
    alone, _, _ = said(capsys, config, str(hidden))

    assert (code, alone) == (3, 3)
    assert (told["file"], told["problem"]) == (str(hidden), "it can't be read: Permission denied")
    assert (told["exit_code"], fine["exit_code"]) == (3, 0)


def test_what_may_not_be_looked_at_is_told(
    capsys: Captured, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(path: Path) -> bool:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "is_dir", refusing)
    code, (told,), _ = said(capsys, config, str(tmp_path / "closed" / "a.yaml"))

    assert (code, told["problem"]) == (3, "it can't be read: Permission denied")


def test_a_pipe_is_read_where_it_is_named_and_told_where_it_lies_in_a_folder(
    capsys: Captured, config: str, tmp_path: Path
) -> None:
    """Reading one that nobody writes to would never end."""
    folder = tmp_path / "deploy"
    folder.mkdir()
    os.mkfifo(pipe := folder / "f.yaml")
    (folder / "gone.yaml").symlink_to("nowhere")
    code, answers, _ = said(capsys, config, str(folder))
    writer = threading.Thread(target=pipe.write_text, args=(json.dumps(pod(FREE)),))
    writer.start()
    named, (fine,), _ = said(capsys, config, str(pipe))
    writer.join()

    assert code == 3
    assert [answer["problem"] for answer in answers] == [
        "it can't be read: it is not a regular file; name it, if it is meant",
        "it can't be read: No such file or directory",
    ]
    assert (named, fine["object"]["name"]) == (0, "web")


def test_more_objects_than_can_be_checked_at_once_are_refused(
    capsys: Captured, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manifests, "OBJECTS_LIMIT", 2)
    code, answers, err = said(capsys, config, written(tmp_path, pod(FREE), pod(FREE), pod(FREE)))

    assert (code, answers) == (2, [])
    assert "give fewer files at once" in err


def test_an_object_that_can_not_be_read_is_refused_as_the_gate_does(
    capsys: Captured, config: str, tmp_path: Path
) -> None:
    path = tmp_path / "review.json"
    review = recorded.parsed("pod-create")
    review["request"]["object"] = "no object"
    path.write_text(json.dumps(review))
    code, (answer,), _ = said(capsys, config, str(path))

    assert code == 1
    assert "request.object is not an object" in answer["decision"]["message"]


def test_people_read_place_object_and_what_to_do(
    capsys: Captured, config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, pod(FREE, DENIED, namespace="strict"), pod(DENIED, namespace="staging"), pod(FREE))
    code = main(["check", config, "manifest.yaml"])
    out = capsys.readouterr().out.splitlines()

    assert code == 1
    assert out[0] == "manifest.yaml:1: Pod strict/web: rejected"
    assert out[1:] == [
        f"  container c0: {FREE}: exempt (static_allow)",
        f"  container c1: {DENIED}",
        "    denied (no_rule): no rule of the policy names this image",
        "    what to do: Add a rule to the policy, or use an image that a rule names.",
        out[5],
        f"  container c0: {DENIED}",
        "    denied (no_rule): no rule of the policy names this image",
        "    what to do: Add a rule to the policy, or use an image that a rule names.",
        out[9],
        f"  container c0: {FREE}: exempt (static_allow)",
        "",
        "2 refused, 1 fine",
    ]
    assert out[5] == "manifest.yaml:3: Pod staging/web: admitted (detect), would be rejected"


def test_images_are_verified_in_a_real_registry(
    capsys: Captured, open_registry: DockerRegistry, tmp_path: Path
) -> None:
    for layout in ("legacy-release", "bundle-stranger"):
        open_registry.push_layout(DATA / "layouts" / layout, f"check/{layout}")
    good, bad = (f"{open_registry.host}/check/{layout}:v1" for layout in ("legacy-release", "bundle-stranger"))
    flags = [f"--key={DATA / 'keys' / 'release.pub'}", f"--plain-http={open_registry.host}"]
    code, answers, _ = said(capsys, *flags, written(tmp_path, pod(good), pod(good, bad)))

    assert code == 1
    assert [answer["exit_code"] for answer in answers] == [0, 1]
    assert [image["verdict"] for image in answers[1]["images"]] == ["verified", "untrusted"]


_SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.sampled_from(["List", "Pod", "v1"])
_KEYS = st.sampled_from(["kind", "apiVersion", "items", "metadata", "name", "spec", "request", "<<"]) | st.text(
    max_size=5
)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5), max_leaves=15
)


@given(st.binary(max_size=200) | _VALUES.map(lambda value: json.dumps(value).encode()))
def test_whatever_a_file_holds_it_becomes_reviews_or_is_told(content: bytes) -> None:
    found = list(manifests.of_content("file", content, "default"))

    for one in found:
        if isinstance(one, manifests.ManifestReview):
            recorded.read(one.body)
        else:
            assert one.problem


@pytest.mark.parametrize("depth", [100, 100_000])
def test_lists_in_lists_end(depth: int) -> None:
    """As deep as they may be, and deeper."""
    content = b'{"apiVersion":"v1","kind":"List","items":[' * depth + json.dumps(pod(FREE)).encode() + b"]}" * depth
    (one,) = manifests.of_content("file", content, "default")

    assert isinstance(one, manifests.ManifestReview) == (depth == 100)
