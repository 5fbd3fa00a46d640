"""Refuse to release a public-good root that nobody has looked at for a year.

    python .ci/root_age.py [TODAY]

The trusted root of Sigstore's public instance comes with the package, as data with a date (`PUBLIC_GOOD_AS_OF`). To
renew it, take `trusted_root.json` and `root.json` of `tuf-repo-cdn.sigstore.dev` out of the newest release of
Sigstore's client for Python, put them in the place of `public_good.json` and `public_good_root.json` in
`router/verification/`, and set the date to that day. TODAY is a date such as 2027-01-31.
"""

import datetime as dt
import sys

from router.verification.trust_roots import PUBLIC_GOOD_AS_OF

OLDEST = dt.timedelta(days=365)


def main(today: dt.date) -> int:
    """Say whether it may be released; returns the exit code."""
    age = today - PUBLIC_GOOD_AS_OF
    if age <= OLDEST:
        return 0
    advice = "see .ci/root_age.py for how it is renewed"
    print(f"the public-good root that would be released is {age.days} days old; {advice}", file=sys.stderr)  # noqa: T201 - a command's message
    return 1


if __name__ == "__main__":
    sys.exit(main(dt.date.fromisoformat(sys.argv[1]) if len(sys.argv) > 1 else dt.datetime.now(dt.UTC).date()))
