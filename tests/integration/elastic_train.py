"""Torchrun, with training processes that are forked: they need not import torch and MMPose again."""

import runpy
import sys

from torch.distributed import run
from torch.distributed.launcher.api import elastic_launch


def train(*words):
    sys.argv = list(words[1:])  # after `python -u`
    runpy.run_path(sys.argv[0], run_name='__main__')


def fork(config, entrypoint):
    config.start_method = 'fork'
    return elastic_launch(config, train)


run.elastic_launch = fork
run.main()
