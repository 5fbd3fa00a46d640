"""`python -m router` is the command `gatecrier`."""

import sys

from router.cli import main

sys.exit(main())
