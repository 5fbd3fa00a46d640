"""What other verifiers say of the same evidence: every disagreement is in a table, with its reason.

cosign was asked when the evidence was made; sigstore-python is asked each time, too. cosign takes one identity at a
time, and sigstore-python exact identities in bundles whose log is asked; what can't be asked is no opinion.
"""

from __future__ import annotations

import functools
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from tests.fuzz import corpora
from tests.fuzz.target import fields_of, framed
from tests.verification.test_keyless_cases import CASES, FOLDER

SIGN = "https://sigstore.dev/cosign/sign/v1"
COSIGN_3, COSIGN_2, PYTHON = "cosign v3", "cosign v2", "sigstore-python"
BOTH = (COSIGN_3, COSIGN_2)
Places = Mapping[str, tuple[int, ...]]
DISAGREEMENTS: list[tuple[tuple[str, ...], str, Places]] = [
    (
        BOTH,
        "takes an expression that matches a part of the issuer or subject: whoever registers a longer name passes",
        {
            "bundle-email": (6, 7),
            "bundle-referrers-email": (6, 7),
            "bundle-suffixed-email": (1,),
            "bundle-prefixed-email": (1,),
            "bundle-suffixed-workflow": (1,),
            "bundle-fork-workflow": (1,),
        },
    ),
    (
        BOTH,
        "takes an attestation for a signature",
        {"bundle-attestation-only": (0,), "bundle-referrers-attestation-only": (0,)},
    ),
    (
        BOTH,
        "counts no signers: it was asked for each, and for one of them",
        {"bundle-two-signers": (3,), "bundle-same-identity-twice": (1,)},
    ),
    (
        BOTH,
        "takes a legacy signature without a timestamp although it is told to use them",
        {"legacy-email": (2,), "legacy-workflow": (2,), "legacy-v2-email": (2,)},
    ),
    (
        BOTH,
        "takes no time from a timestamp or log that it is not told to use, and so proves less",
        {"bundle-email": (2,), "bundle-referrers-email": (2,), "bundle-rekor-v1": (3,)},
    ),
    (
        BOTH,
        "does not look at a timestamp that lies outside of the certificate's time",
        {"bundle-rekor-v1-late-timestamp": (1,)},
    ),
    (BOTH, "does not look at a legacy signature beside a bundle", {"bundle-beside-legacy": (1,)}),
    (
        (COSIGN_3,),
        "makes the entry of the newer log anew from the bundle, and never reads the one that came along",
        {"bundle-other-body": (0,)},
    ),
    ((COSIGN_2,), "verifies no legacy attestation with a root of one's own", {"legacy-attestation-only": (1,)}),
    (
        (PYTHON,),
        "refuses the first entry of a log, whose index is absent as protobuf writes 0",
        {"bundle-first-entry": (0,), "bundle-first-entry-rekor-v1": (0,)},
    ),
    ((PYTHON,), "does not decode names that are neither mail addresses nor URIs", {"bundle-username": (0,)}),
    ((PYTHON,), "was given bundles only, and the image is signed beside them", {"bundle-beside-legacy": (1,)}),
]
"""Who disagrees with what `test_keyless_cases` holds us to, why, and where: case and number of the expectation."""


def disputed(tool: str) -> set[tuple[str, int]]:
    return {
        (name, index)
        for tools, _, places in DISAGREEMENTS
        if tool in tools
        for name, indexes in places.items()
        for index in indexes
    }


def expectations() -> Iterator[tuple[dict[str, Any], int, dict[str, Any]]]:
    for case in CASES:
        for index, expected in enumerate(case["expect"]):
            yield case, index, expected


@pytest.mark.parametrize(("tool", "opinions"), [(COSIGN_3, 150), (COSIGN_2, 150), (PYTHON, 80)])
def test_every_recorded_disagreement_has_its_reason(tool: str, opinions: int) -> None:
    found, asked = set(), 0
    for case, index, expected in expectations():
        for said in expected.get("reference_tools", []):
            if said["tool"].startswith(tool):
                asked += 1
                if (said["exit"] == 0) != (expected["verdict"] == "verified"):
                    found.add((case["name"], index))

    assert asked >= opinions
    assert found == disputed(tool)


@functools.cache
def sigstore_python() -> Callable[[str, bytes, Any], bytes]:
    """Verifies a bundle by a trusted root and a policy; gives the payload."""
    pytest.importorskip("sigstore", reason="sigstore-python is a second opinion; it is in requirements-dev.lock")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its libraries deprecate is their affair
        from sigstore.models import Bundle, TrustedRoot
        from sigstore.verify import Verifier

    @functools.cache
    def verifier(root: str) -> Verifier:
        return Verifier(trusted_root=TrustedRoot.from_file(str(FOLDER / root)))

    def verify(root: str, bundle: bytes, policy: Any) -> bytes:  # noqa: ANN401 - a policy of sigstore's
        return verifier(root).verify_dsse(Bundle.from_json(bundle), policy)[1]

    return verify


def wanted(who: dict[str, Any]) -> Any:  # noqa: ANN401 - a policy of sigstore's
    from sigstore.verify import policy

    kinds = {
        "source_repository_uri": policy.OIDCSourceRepositoryURI,
        "source_repository_ref": policy.OIDCSourceRepositoryRef,
        "build_trigger": policy.OIDCBuildTrigger,
        "runner_environment": policy.OIDCRunnerEnvironment,
    }
    extensions = [kinds[name](value) for name, value in who.get("extensions", {}).items()]
    return policy.AllOf([policy.Identity(identity=who["subject"], issuer=who["issuer"]), *extensions])


def can_be_asked(policy: dict[str, Any]) -> bool:
    """Whether sigstore-python can be asked the same."""
    who = policy.get("keyless")
    is_exact = isinstance(who, dict) and "subject" in who and "issuer" in who
    is_plain = policy.get("sct") != "ignore" and policy.get("timestamp") != "required"
    return is_exact and is_plain and policy.get("transparency_log") == "required"


def bundles_of(case: dict[str, Any]) -> list[bytes]:
    """The bundles of a case's image."""
    begin = framed(case["digest"].encode(), b"")
    layout = FOLDER / "layouts" / case["layout"]
    blobs = {path.read_bytes() for path in (layout / "blobs" / "sha256").iterdir()}
    made = {data for data in corpora.bundles() if data.startswith(begin)}
    return [body for data in sorted(made) if (body := fields_of(data, 2)[1]) in blobs]


def says_verified(case: dict[str, Any], policy: dict[str, Any]) -> bool:
    """Whether sigstore-python verifies one of the bundles, and its statement is about the image."""
    from sigstore.errors import Error

    predicate = policy.get("attestation", {}).get("predicate_type", SIGN)
    for bundle in bundles_of(case):
        root = policy.get("trust_root", "trusted_root.json")
        try:
            statement = json.loads(sigstore_python()(root, bundle, wanted(policy["keyless"])))
        except (Error, ValueError):  # its own word for no, and what a bundle's model says
            continue
        about = {subject["digest"].get("sha256") for subject in statement["subject"]}
        if statement["predicateType"] == predicate and case["digest"].removeprefix("sha256:") in about:
            return True
    return False


def test_sigstore_python_agrees_but_for_what_is_listed() -> None:
    sigstore_python()
    found, asked = set(), 0
    for case, index, expected in expectations():
        if can_be_asked(expected["policy"]) and bundles_of(case):
            asked += 1
            if says_verified(case, expected["policy"]) != (expected["verdict"] == "verified"):
                found.add((case["name"], index))

    assert asked >= 80
    assert found == disputed(PYTHON)
