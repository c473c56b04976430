"""`python -m asyncscaffold`."""

import sys

from asyncscaffold.cli import main

sys.exit(main())
