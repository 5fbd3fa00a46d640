from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from router.outbound.urls import read_url, sound_url

UNSOUND = ["", "/x", "//a.example", "ftp://a.example", "file:///etc/passwd", "http://", "http://:x", "http://a:0/"]
UNSOUND += ["http://u:p@a.example", "http://u@a.example", "http://:p@a.example", "http://[::x]/", "http://a..b/"]
UNSOUND += ["http://127.1", "http://0x7f.1/", "http://2130706433", "http://0177.0.0.1", "http://127.0.0.1./"]
UNSOUND += ["http://[[::1]@", "//[[::1]@/x"]
UNSOUND += ["http://%31%32%37.1/", "http://\N{FULLWIDTH DIGIT ONE}27.1/", "http://169.254.43518/"]


@pytest.mark.parametrize("is_encoded", [True, False])
@pytest.mark.parametrize("text", UNSOUND)
def test_what_leads_nowhere_or_hides_something_is_refused(text: str, is_encoded: bool) -> None:  # noqa: FBT001 - a case
    with pytest.raises(ValueError):  # noqa: PT011 - yarl has words of its own
        sound_url(read_url(text, is_encoded=is_encoded))


@pytest.mark.parametrize(
    "text", ["https://a.example/x?y=1", "http://127.0.0.1:5000", "https://[::1]:5000/", "http://a_b.example.:81/"]
)
def test_what_leads_to_a_host_stays_as_it_is(text: str) -> None:
    assert str(sound_url(URL(text, encoded=True))) == text


def test_only_a_proxy_s_may_hold_credentials() -> None:
    url = URL("http://u:p@proxy.example:3128")

    assert sound_url(url, with_credentials=True) is url


@given(st.text(max_size=30).map(lambda rest: f"http://{rest}"))
def test_no_url_raises_anything_but_value_error(text: str) -> None:
    try:
        sound = sound_url(read_url(text))
    except ValueError:
        return

    assert sound.raw_host
