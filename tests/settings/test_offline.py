"""`config check --offline`: what can be said without files and environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from router.rendering.shipped import shipped_folder
from router.settings.loading import Loaded, Refused, attempt_offline
from tests.settings.configurations import example


def test_offline_neither_files_nor_variables_are_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "gatecrier.yaml"
    path.write_text(example().replace("tls: self-signed", "tls: {certificate: tls.crt, key: tls.key}"))

    result = attempt_offline(path)

    assert isinstance(result, Loaded)
    assert set(result.watched) == {path, *(one for one in result.watched if result.watched[one] is None)} | {
        one for one in result.watched if shipped_folder() in one.parents
    }


@pytest.mark.parametrize(
    ("found", "written_instead", "words"),
    [
        ("kind: slack", "kind: slakc", 'did you mean "slack"'),
        ("verifier: allow", "verifier: alow", 'did you mean "allow"'),
        ("{env: SYSDIG_TOKEN}", "{env: 1x}", "not a valid name of an environment variable"),
        ("url: {file: slack-url}", "url: https://hooks.slack.com/x", "never a literal"),
        ("{directory: templates}", "{}", 'did you mean "slack"'),
    ],
)
def test_offline_everything_else_is_checked(found: str, written_instead: str, words: str, tmp_path: Path) -> None:
    path = tmp_path / "gatecrier.yaml"
    path.write_text(example().replace("template: slack", "template: slac").replace(found, written_instead, 1))
    result = attempt_offline(path)

    assert isinstance(result, Refused)
    assert words in result.text


def test_offline_a_template_that_is_not_shipped_may_be_in_the_folder(tmp_path: Path) -> None:
    path = tmp_path / "gatecrier.yaml"
    path.write_text(example().replace("template: slack", "template: mine"))

    assert isinstance(attempt_offline(path), Loaded)


@pytest.mark.parametrize("name", ["gatecrier.yaml", "kubernetes/gatecrier.yaml"])
def test_the_shipped_examples_pass_offline(name: str) -> None:
    result = attempt_offline(Path(__file__).resolve().parents[2] / "config" / name)

    assert isinstance(result, Loaded), result


@pytest.mark.parametrize("how", ["env", "file"])
@pytest.mark.parametrize(
    "pasted",
    ["ghp_16C7e42F292c6912E7710c838347Ae178B4a", "https://hooks.slack.com/services/T0/B0/x", "?k=1", "a\\nb", ""],
)
def test_offline_a_secret_in_the_place_of_its_name_is_found(how: str, pasted: str, tmp_path: Path) -> None:
    """In CI nobody looks whether the file is there; it would be found where it is too late."""
    path = tmp_path / "gatecrier.yaml"
    path.write_text(example().replace("{env: SYSDIG_TOKEN}", f'{{{how}: "{pasted}"}}'))
    result = attempt_offline(path)

    assert isinstance(result, Refused)
    assert "token" in result.text
    assert not pasted or pasted not in result.text


def test_offline_a_file_may_have_blanks_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "gatecrier.yaml"
    path.write_text(example().replace("{env: SYSDIG_TOKEN}", '{file: "of the team/sysdig token"}'))

    assert isinstance(attempt_offline(path), Loaded)


@pytest.mark.parametrize("folder", ["of a ? and more", "/".join(["deep" * 10] * 8)])
def test_offline_the_folder_of_the_configuration_is_called_as_it_is(folder: str, tmp_path: Path) -> None:
    """Nobody has written that into it; a build may happen anywhere."""
    path = tmp_path / folder / "gatecrier.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(example())

    assert isinstance(attempt_offline(path), Loaded)
