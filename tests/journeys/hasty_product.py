"""`gatecrier`, whose certificates settle in seconds instead of half a minute."""

from __future__ import annotations

import sys

from router import cli
from router.certificates import planning

planning.SETTLE = 4.0

if __name__ == "__main__":
    sys.exit(cli.main())
