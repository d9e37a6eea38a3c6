"""`vitpose bench` with other tools as contestants: mmpose, transformers and rtmlib.

    OMP_NUM_THREADS=2 taskset -c 0,1 python projects/peers/bench.py --config CONFIG --checkpoint FILE
    python projects/peers/bench.py --config CONFIG --only mmpose rtmlib --rounds 3

The options are those of `vitpose bench`. projects/peers/README.md says what the stages of each tool contain.
"""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))

from vitpose.cli.main import main

if __name__ == '__main__':
    if {'-h', '--help'}.isdisjoint(sys.argv):
        import projects.peers.contestants  # noqa: F401  registers them
    else:
        print(__doc__)
    sys.exit(main(['bench', *sys.argv[1:]]))
