"""Overfitting test on real photographs: a model trained only on twelve people must reproduce them."""

import re
import time

import pytest

pytestmark = pytest.mark.slow


def test_memorises_twelve_people(write_config, photographs, run, tmp_path):
    config = write_config(photographs / 'coco', 'test_coco.json', name='memorise.py')
    start = time.monotonic()
    output = run(
        'train',
        config,
        '--work-dir',
        tmp_path / 'run',
        timeout=1800,  # allows for a busy machine
    )
    seconds = time.monotonic() - start
    (score,) = re.findall(r'coco/AP: ([\d.]+)', output)
    print(f'COCO AP {score} after {seconds:.0f} s')
    assert float(score) >= 0.95
