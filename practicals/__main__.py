"""`python -m practicals` is the same as the command `practicals`."""

import sys

from practicals.common.cli import main

sys.exit(main())
