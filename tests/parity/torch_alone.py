"""Run in a process of its own, where OpenMMLab cannot be imported: heatmaps and keypoints of checkpoints alone."""

import json
import sys

sys.modules.update(dict.fromkeys(('mmcv', 'mmengine', 'mmpose', 'mmdet', 'mmpretrain', 'xtcocotools', 'mim')))

import numpy as np  # noqa: E402
import torch  # noqa: E402

from vitpose import PosePredictor  # noqa: E402

torch.set_num_threads(1)
folder = sys.argv[1]
with open(f'{folder}/cases.json', encoding='utf-8') as file:
    cases = json.load(file)
crops, found = np.load(f'{folder}/crops.npy'), {}
image, boxes = np.load(f'{folder}/image.npy'), np.load(f'{folder}/boxes.npy')
for name, (checkpoint, dataset) in cases.items():
    for flip in (False, True):
        predictor = PosePredictor.load(checkpoint, dataset=dataset, device='cpu', flip_test=flip)
        poses = predictor(image, boxes=boxes)
        found[f'{name} {flip}'] = predictor.model.heatmaps(crops).numpy()
        found[f'{name} {flip} keypoints'], found[f'{name} {flip} scores'] = poses.keypoints, poses.scores
np.savez(f'{folder}/found.npz', **found)
