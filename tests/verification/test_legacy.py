"""Simple signing, layer by layer: every check has its forgery."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.images import Digest
from router.steps import finish
from router.verification.cosign import legacy
from router.verification.cosign.findings import CosignFinding, Unendorsed
from router.verification.cosign.signatories import Signatories
from router.verification.evidence import SIMPLE_SIGNING_TYPE, SimpleSigning
from router.verification.keys import TrustedKey, TrustedKeys
from router.verification.scheme import Endorsement
from router.verification.sigstore.dsse import IN_TOTO_TYPE, pae
from tests.verification.world import pen, simple_signing, statement

DIGEST = Digest.of(b"the image")
KEYS = (TrustedKey(pen("release").public, ("release",)), TrustedKey(pen("security").public, ("security",)))


def examine(signing: SimpleSigning, keys: TrustedKeys, digest: Digest) -> CosignFinding:
    return finish(legacy.examine(signing, Signatories(keys), digest))


def signed(payload: bytes, by: str = "release") -> SimpleSigning:
    signature = base64.b64encode(pen(by).sign(payload)).decode()
    return SimpleSigning(SIMPLE_SIGNING_TYPE, Digest.of(payload), signature, payload)


def reason_of(signing: SimpleSigning, digest: Digest = DIGEST) -> str:
    with pytest.raises(InvalidSignatureError) as refused:
        examine(signing, KEYS, digest)
    return refused.value.reason


def with_(signing: SimpleSigning, **differing: object) -> SimpleSigning:
    fields = {name: getattr(signing, name) for name in SimpleSigning.__slots__}
    return SimpleSigning(**(fields | differing))


@pytest.mark.parametrize("name", ["release", "security"])
def test_a_sound_signature_endorses_its_digest_by_the_name_of_its_key(name: str) -> None:
    found = examine(signed(simple_signing(DIGEST), name), KEYS, DIGEST)

    assert isinstance(found, Endorsement)
    assert (found.signer.name, found.digest) == (name, DIGEST)


@pytest.mark.parametrize("algorithm", ["sha384", "sha512"])
def test_digests_of_other_algorithms_are_compared_as_a_whole(algorithm: str) -> None:
    digest = Digest.of(b"the image", algorithm)

    assert isinstance(examine(signed(simple_signing(digest)), KEYS, digest), Endorsement)
    assert reason_of(signed(simple_signing(DIGEST)), digest) == "digest_mismatch"


def test_a_strangers_signature_is_no_mistake() -> None:
    assert examine(signed(simple_signing(DIGEST), "stranger"), KEYS, DIGEST) is Unendorsed.STRANGER


def test_what_a_stranger_signed_is_not_even_parsed() -> None:
    assert examine(signed(b"[" * 1000, "stranger"), KEYS, DIGEST) is Unendorsed.STRANGER


def test_another_media_type_is_refused_though_the_signature_is_good() -> None:
    signing = signed(simple_signing(DIGEST))

    assert reason_of(with_(signing, media_type="application/vnd.dsse.envelope.v1+json")) == "media_type"


def test_bytes_of_another_digest_are_refused() -> None:
    signing = signed(simple_signing(DIGEST))

    assert reason_of(with_(signing, digest=Digest.of(b"other"))) == "digest_mismatch"


@pytest.mark.parametrize("signature", ["", "%%%%", "YQ", "\u212a" * 4])
def test_no_signature_is_malformed(signature: str) -> None:
    assert reason_of(with_(signed(simple_signing(DIGEST)), signature=signature)) == "malformed"


def test_the_url_safe_alphabet_is_refused_and_line_breaks_are_not() -> None:
    payload = simple_signing(DIGEST)
    while "/" not in (text := signed(payload).signature):
        payload += b" "
    broken = "\n".join((text[:20], text[20:]))

    assert isinstance(examine(with_(signed(payload), signature=broken), KEYS, DIGEST), Endorsement)
    assert reason_of(with_(signed(payload), signature=text.replace("/", "_"))) == "malformed"


def test_a_signature_about_another_digest_is_told_with_it() -> None:
    other = Digest.of(b"another image")
    with pytest.raises(InvalidSignatureError, match=str(other)) as refused:
        examine(signed(simple_signing(other)), KEYS, DIGEST)

    assert refused.value.reason == "digest_mismatch"


@pytest.mark.parametrize("claimed", ["", "sha256:" + "A" * 64, f"{DIGEST} ", "<script>"])
def test_a_claim_that_is_no_digest_is_refused_and_not_repeated(claimed: str) -> None:
    with pytest.raises(InvalidSignatureError) as refused:
        examine(signed(simple_signing(claimed)), KEYS, DIGEST)

    assert refused.value.reason == "digest_mismatch"
    assert not claimed or claimed not in str(refused.value)


def test_another_critical_type_is_refused() -> None:
    payload = simple_signing(DIGEST, "atomic container signature")

    assert reason_of(signed(payload)) == "critical_type"


def test_go_reads_names_without_regard_to_case_and_so_do_we() -> None:
    text = simple_signing(DIGEST).decode().replace("docker-manifest", "Docker-Manifest").replace("critical", "Critical")

    assert isinstance(examine(signed(text.encode()), KEYS, DIGEST), Endorsement)


OTHER = Digest.of(b"another image")
KIND = '"type": "cosign container image signature"'


def claim(image: str) -> str:
    return f'{{"image": {{{image}}}, {KIND}}}'


RIGHT, WRONG = f'"docker-manifest-digest": "{DIGEST}"', f'"docker-manifest-digest": "{OTHER}"'
AMBIGUOUS = {
    "digest twice": f'{{"critical": {claim(f"{WRONG}, {RIGHT}")}}}',
    "digest in two cases": f'{{"critical": {claim(f"{WRONG}, {RIGHT.title()}")}}}',
    "kelvin sign": f'{{"critical": {claim(RIGHT + ", " + WRONG.replace("k", chr(0x212A)))}}}',
    "critical twice": f'{{"critical": {{}}, "critical": {claim(RIGHT)}}}',
    "critical in two cases": f'{{"Critical": {{}}, "critical": {claim(RIGHT)}}}',
    "no critical": "{}",
    "no image": f'{{"critical": {{{KIND}}}}}',
    "digest is not a text": f'{{"critical": {claim(WRONG.partition(":")[0] + ": 1")}}}',
    "no json": "critical",
}


@pytest.mark.parametrize("text", AMBIGUOUS.values(), ids=list(AMBIGUOUS))
def test_a_payload_with_two_meanings_is_refused_though_a_trusted_key_signed_it(text: str) -> None:
    assert reason_of(signed(text.encode())) == "malformed"


def test_a_signed_bundle_is_no_legacy_signature() -> None:
    """DSSE signs its own encoding of the payload, so neither form can stand for the other."""
    payload = statement(DIGEST)
    content = pae(IN_TOTO_TYPE, payload)
    signature = base64.b64encode(pen("release").sign(content)).decode()

    assert examine(with_(signed(payload), signature=signature), KEYS, DIGEST) is Unendorsed.STRANGER
    assert reason_of(signed(content)) == "malformed"


JSON = st.recursive(
    st.none() | st.text(max_size=12) | st.sampled_from([str(DIGEST), "cosign container image signature"]),
    lambda inner: st.dictionaries(
        st.sampled_from(["critical", "image", "type", "docker-manifest-digest", "Critical", "identity"]), inner
    ),
    max_leaves=8,
)


@settings(max_examples=60)
@given(JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=100))
def test_whatever_a_trusted_key_signed_it_is_about_the_digest_or_refused(payload: bytes) -> None:
    try:
        found = examine(signed(payload), KEYS, DIGEST)
    except InvalidSignatureError:
        return
    claim = json.loads(payload)["critical"]
    assert isinstance(found, Endorsement)
    assert claim["image"]["docker-manifest-digest"] == str(DIGEST)
