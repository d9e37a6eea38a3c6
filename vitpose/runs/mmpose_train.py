"""MMPose's training script without yapf, which takes seconds to format each copy of the config."""

import runpy
import sys
from importlib.util import find_spec

from yapf.yapflib import yapf_api

if __name__ == '__main__':
    yapf_api.FormatCode = lambda text, **options: (text, True)
    (folder,) = find_spec('mmpose').submodule_search_locations  # type: ignore
    sys.argv[0] = f'{folder}/.mim/tools/train.py'
    runpy.run_path(sys.argv[0], run_name='__main__')
