"""Timestamps as another verifier understands them: `rfc3161-client`, which Sigstore's own client uses."""

from __future__ import annotations

import base64
import json

import rfc3161_client
from hypothesis import given, settings
from hypothesis import strategies as st

from router.errors import InvalidSignatureError
from router.verification.pki.timestamps import read_response
from tests.verification.test_keyless_mutations import written


def recorded() -> bytes:
    """A timestamp by a real authority."""
    bundle = json.loads(written("bundle-email"))
    (stamp,) = bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
    return base64.b64decode(stamp["signedTimestamp"])


STAMP = recorded()


def test_both_read_the_same_of_a_real_timestamp() -> None:
    ours, theirs = read_response(STAMP), rfc3161_client.decode_timestamp_response(STAMP)
    (signer,) = theirs.signed_data.signer_infos

    assert ours.moment == theirs.tst_info.gen_time.timestamp()
    assert ours.signer.serial == signer.serial_number
    assert ours.signer.issuer == signer.issuer.public_bytes()
    assert set(ours.certificates) == set(theirs.signed_data.certificates)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(STAMP) - 1), st.integers(1, 255))
def test_what_we_read_of_a_changed_one_the_other_reads_so_too(place: int, change: int) -> None:
    """A timestamp of which two verifiers read two times would be whatever its reader likes."""
    body = STAMP[:place] + bytes([STAMP[place] ^ change]) + STAMP[place + 1 :]
    try:
        ours = read_response(body)
        theirs = rfc3161_client.decode_timestamp_response(body)
        moment = theirs.tst_info.gen_time.timestamp()
    except (InvalidSignatureError, ValueError, TypeError):
        return

    assert ours.moment == moment
