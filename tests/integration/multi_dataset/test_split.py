"""The files of `vitpose split` work with `mim test` and MMPose's inferencer like any other model."""

import re
import sys

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmpose.apis import MMPoseInferencer
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

pytestmark = pytest.mark.slow


def test_split_model_works_with_mim_test_and_the_inferencer(root, tmp_path, write_coco_data, run):
    write_coco_data(tmp_path / 'data/aic', tmp_path / 'data/aic/val.json', 14)
    cfg = Config.fromfile(root / 'tests/unit/checkpoints/three_datasets.py')
    init_default_scope('mmpose')
    torch.save(MODELS.build(cfg.model).state_dict(), tmp_path / 'several.pth')
    config = root / 'tests/unit/checkpoints/three_datasets.py'
    split = ('split', config, 'several.pth', '--dataset', 'aic', '--out', 'aic.pth')
    output = run(sys.executable, '-m', 'vitpose.cli.main', *split)
    command = re.search(r'^  mim test mmpose (.*)$', output, re.MULTILINE).group(1).split()
    assert re.search(r'Epoch\(test\).* aic/AP: ', run('test', *command))

    image = str(tmp_path / 'data/aic/000000000001.jpg')
    inferencer = MMPoseInferencer(
        str(tmp_path / 'aic.py'), str(tmp_path / 'aic.pth'), device='cpu', det_model='whole_image'
    )
    result = next(inferencer(image, return_vis=True))
    ((person,),) = result['predictions']
    assert np.array(person['keypoints']).shape == (14, 2)
    assert result['visualization'][0].shape == (96, 128, 3)
