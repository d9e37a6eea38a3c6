"""Entry point of `python -m vitpose`, which also works in a checkout that is not installed."""

import sys

try:
    from .cli.main import main
except KeyboardInterrupt:
    print('vitpose: interrupted', file=sys.stderr)
    sys.exit(130)

sys.exit(main())
