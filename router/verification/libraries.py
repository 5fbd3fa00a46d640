"""What a library says of bytes that strangers wrote: its errors become ours, its warnings nobody's. Pure.

Libraries read certificates and timestamps for us. Of odd ones they raise whatever their authors thought of, late and of
many kinds (a KeyError of a type of text that they have no word for), or they warn, once for each, which strangers could
fill a log with.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from router.verification.documents import malformed


@contextmanager
def reading(what: str) -> Iterator[None]:
    """While a library reads this; raises InvalidSignatureError(malformed) where it can't."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        try:
            yield
        except (
            AttributeError,
            LookupError,
            ValueError,
            TypeError,
            OverflowError,
            x509.InvalidVersion,
            x509.DuplicateExtension,
            x509.UnsupportedGeneralNameType,
            UnsupportedAlgorithm,
        ) as error:
            raise malformed(what, "can't be read") from error
