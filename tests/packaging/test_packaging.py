"""What is built and installed, without a container engine: wheel, parts of the Dockerfile, manifests, site."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from router.destinations.catalogue import KINDS
from router.settings.loading import load

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MANIFESTS = ROOT / "config" / "kubernetes"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True, timeout=120)
    return next(folder.glob("gatecrier-*.whl"))


def test_templates_and_schemas_travel_inside_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    of_kinds = {
        f"{name}.json"
        for kind in KINDS
        if kind.has_templates
        for name in (kind.template, kind.incident_template, f"notices/{kind.template}")
    }

    assert {f"router/shipped/templates/{name}" for name in {*of_kinds, "webhook.json"}} <= names
    assert {f"router/shipped/schema/{name}.schema.json" for name in ("gatecrier", "event")} <= names
    page = Path("router/cli/templates/studio/page")
    assert {f"{page}/{one.name}" for one in (ROOT / page).iterdir()} <= names
    assert "router/py.typed" in names
    assert not [name for name in names if name.startswith(("tests/", "templates/"))]


def test_the_installed_wheel_runs_the_demo_outside_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """An environment of its own, with the dependencies of this one beside it instead of a download."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True, timeout=60)
    python = tmp_path / "env" / "bin" / "python"
    install = [sys.executable, "-m", "pip", "--quiet", "--python", str(python), "install", "--no-deps", str(wheel)]
    subprocess.run(install, check=True, timeout=120)
    here = subprocess.run(
        [sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    site = next((tmp_path / "env" / "lib").glob("python*/site-packages"))
    (site / "dependencies.pth").write_text(here)
    done = subprocess.run(
        [str(tmp_path / "env" / "bin" / "gatecrier"), "demo"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    module = subprocess.run(
        [str(python), "-c", "import router; print(router.__file__)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in module


def test_every_locked_package_has_hashes() -> None:
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = re.sub(r"\s*#.*", "", (ROOT / name).read_text())
        entries = [entry for entry in re.split(r"\n(?=\S)", text.replace("\\\n", " ")) if entry.strip()]

        assert entries
        assert not [entry[:60] for entry in entries if "--hash=sha256:" not in entry or "==" not in entry]


def test_the_image_runs_as_a_numeric_user_without_build_tools() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]

    assert re.search(r"^USER [1-9][0-9]*:[1-9][0-9]*$", final, re.MULTILINE)
    assert "pip uninstall --yes pip" in final
    assert not re.search(r"apt-get|gcc|pip install|wheel", final)


def test_the_image_is_multi_stage_and_its_base_can_be_pinned() -> None:
    assert len(re.findall(r"^FROM ", DOCKERFILE, re.MULTILINE)) == 2
    assert "ARG BASE=" in DOCKERFILE
    assert "@sha256:DIGEST" in DOCKERFILE
    assert "--require-hashes" in DOCKERFILE


def test_the_image_starts_the_command_and_tells_its_health() -> None:
    assert 'ENTRYPOINT ["gatecrier"]' in DOCKERFILE
    assert 'CMD ["serve", "--config", "/etc/gatecrier/gatecrier.yaml"]' in DOCKERFILE
    assert "HEALTHCHECK" in DOCKERFILE
    assert "/healthz" in DOCKERFILE


def test_what_the_image_copies_is_there() -> None:
    copied = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE)
    names = [name for line in copied for name in line.split()[:-1]]

    assert names
    assert all((ROOT / name).exists() for name in names)


def objects() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    for name in yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"]:
        found += yaml.safe_load_all((MANIFESTS / name).read_text())
    return found


def test_every_manifest_is_listed_and_is_an_object() -> None:
    listed = {*yaml.safe_load((MANIFESTS / "kustomization.yaml").read_text())["resources"]}

    assert listed == {path.name for path in MANIFESTS.glob("*.yaml")} - {"kustomization.yaml", "gatecrier.yaml"}
    assert all(found["apiVersion"] and found["kind"] and found["metadata"] for found in objects())


def test_the_pod_is_restricted() -> None:
    """Pod Security Standards, "Restricted", and a read-only root file system."""
    (workload,) = [found for found in objects() if found["kind"] == "StatefulSet"]
    spec = workload["spec"]["template"]["spec"]  # type: ignore[index]  # YAML
    (container,) = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert f"USER {spec['securityContext']['runAsUser']}:" in DOCKERFILE


def test_the_webhooks_leave_out_what_must_never_be_blocked() -> None:
    """A cluster must be able to start, and Gatecrier in it; where nothing enforces, nothing is refused by a failure."""
    configurations: list[Any] = [found for found in objects() if str(found["kind"]).endswith("WebhookConfiguration")]
    everyone = [webhook for found in configurations for webhook in found["webhooks"]]
    (hearing,) = [webhook for webhook in everyone if webhook["name"] == "modes.gatecrier.dev"]
    webhooks = [webhook for webhook in everyone if webhook is not hearing]

    assert hearing["failurePolicy"] == "Ignore"
    assert len(webhooks) >= 3
    for webhook in webhooks:
        named = {expression["key"]: expression for expression in webhook["namespaceSelector"]["matchExpressions"]}
        excluded = named["kubernetes.io/metadata.name"]
        label = named["gatecrier.dev/mode"]

        assert (excluded["operator"], {*excluded["values"]}) == ("NotIn", {"kube-system", "gatecrier"})
        assert webhook["failurePolicy"] == "Ignore" or (label["operator"], label["values"]) == ("In", ["enforce"])
        assert webhook["sideEffects"] in {"None", "NoneOnDryRun"}


def test_the_configuration_of_the_manifests_loads(tmp_path: Path) -> None:
    """With its paths led to files of this test."""
    text = (MANIFESTS / "gatecrier.yaml").read_text()
    (tmp_path / "release.pub").write_bytes((ROOT / "tests/data/keys/release.pub").read_bytes())
    (tmp_path / "slack-url").write_text("https://hooks.slack.com/services/T/B/x")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=a",
         "-keyout", str(tmp_path / "tls.key"), "-out", str(tmp_path / "tls.crt")],
        check=True, capture_output=True,
    )  # fmt: skip
    for folder in ("/run/secrets/gatecrier/", "/run/secrets/tls/", "/var/lib/gatecrier/"):
        text = text.replace(folder, f"{tmp_path}/")
    (tmp_path / "gatecrier.yaml").write_text(text)
    settings = load(tmp_path / "gatecrier.yaml", {}).settings

    (workload,) = [found for found in objects() if found["kind"] == "StatefulSet"]
    (container,) = workload["spec"]["template"]["spec"]["containers"]  # type: ignore[index]  # YAML
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert (collector := settings.incidents.collector) is not None
    assert ports == {
        "webhook": settings.webhook.listen.port,
        "replicas": collector.port,
        "operations": settings.operations.listen.port,
    }


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    """Every page is in the navigation and no link leads nowhere."""
    pytest.importorskip("mkdocs", reason="mkdocs is a development dependency")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
