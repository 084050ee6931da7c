"""`python -m flows`."""

import sys

from flows.shell import main

sys.exit(main())
