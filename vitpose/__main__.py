"""Entry point of `python -m vitpose`, which also works in a checkout that is not installed."""

import sys

from .cli.main import main

sys.exit(main())
