"""`python -m vitpose` is `vitpose`, also in a checkout where nothing is installed."""

import sys

from .cli.main import main

sys.exit(main())
