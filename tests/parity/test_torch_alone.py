"""A checkpoint alone, where OpenMMLab cannot be imported, gives the heatmaps and keypoints of MMPose to the bit."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from mmengine import Config

from tests.unit.predict.tiny_models import rendered, several, single, write
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose_mm.datasets.metainfo import parse_metainfo

CROPS = np.random.default_rng(0).integers(0, 256, (3, 128, 96, 3), np.uint8)
SHIFT_POOL = dict(window_size=(4, 3), shift=True, pool=True)
REL_POS = dict(SHIFT_POOL, rel_pos='decomposed')
TOKEN = dict(count=2, width=32, pos_embed=True)


def of(cfg, head=(), **vit):
    cfg.model.backbone.update(vit)
    cfg.model.head.update(dict(head))
    return cfg


def save(cfg, folder):
    """Write config and checkpoint, with our codecs, as the shipped configs have them."""
    for head in cfg.model.head.get('heads', {'': cfg.model.head}).values():
        head.decoder.type = f'Batch{head.decoder.type}'
    return write(cfg, folder)


def recorded(cfg):
    """MMEngine records the config and the dataset in the checkpoints of a training."""
    return dict(cfg=cfg.pretty_text, dataset_meta=parse_metainfo(cfg.test_dataloader.dataset))


TRAINED = {  # that is, with a record
    'aic': lambda: single('aic', 'simple'),
    'stride 8': lambda: of(single(), dict(feature_stride=8), stride=8),
    'windows': lambda: of(single(), attention=dict(window_size=(4, 3))),
    'shift, pool': lambda: of(single(), attention=SHIFT_POOL),
    'rel_pos': lambda: of(single(decoder='simple'), dict(feature_stride=8), stride=8, attention=REL_POS),
}
PUBLISHED = {
    'classic': lambda: (single(), 'coco'),
    'simple': lambda: (single(decoder='simple'), 'coco'),
    'token': lambda: (of(single(), knowledge_token=TOKEN), 'coco'),
    **{f'decoders, {name}': lambda name=name: (several(experts=False), name) for name in ('coco', 'aic', 'mpii')},
    **{f'experts, {name}': lambda name=name: (several(), name) for name in ('coco', 'aic', 'mpii')},
}
CONVERTED = {'authors': 'official', 'mmpose': 'mmpose', 'safetensors': 'safetensors', 'transformers': 'transformers'}
NAMES = [*TRAINED, *PUBLISHED, *CONVERTED]


@pytest.fixture(scope='module')
def cases(tmp_path_factory):
    """Name -> (config, checkpoint, dataset), and the results of the process without OpenMMLab."""
    folder = tmp_path_factory.mktemp('torch_alone')
    made = {name: (*save(build()[0], folder / name), build()[1]) for name, build in PUBLISHED.items()}
    for name, build in TRAINED.items():
        config, checkpoint = save(build(), folder / name)
        weights = torch.load(checkpoint, weights_only=True)['state_dict']
        torch.save(dict(state_dict=weights, meta=recorded(Config.fromfile(config))), checkpoint)
        made[name] = config, checkpoint, None
    cfg = of(single(decoder='simple'), dict(in_channels=192), arch='deit-tiny')
    config, checkpoint = save(cfg, folder / 'tiny')
    for name, kind in CONVERTED.items():
        out = folder / f'{name}{dict(transformers="", safetensors=".safetensors").get(name, ".pth")}'
        assert main(['convert', checkpoint, str(out), '--to', kind]) == 0
        made[name] = config, str(out), 'coco'
    (folder / 'cases.json').write_text(json.dumps({name: case[1:] for name, case in made.items()}))
    image, boxes = rendered(0)
    for name, array in dict(crops=CROPS, image=image, boxes=boxes).items():
        np.save(folder / f'{name}.npy', array)
    done = subprocess.run([sys.executable, '-m', 'tests.parity.torch_alone', folder], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made, np.load(folder / 'found.npz')


@pytest.mark.slow
@pytest.mark.parametrize('flip', [False, True], ids=['plain', 'flip'])
@pytest.mark.parametrize('name', NAMES)
def test_heatmaps_and_keypoints_are_equal_to_the_bit(cases, name, flip):
    config, checkpoint, dataset = cases[0][name]
    predictor = PosePredictor.load(config, checkpoint, dataset=dataset, device='cpu', flip_test=flip)
    heatmaps = predictor.model.heatmaps(CROPS).numpy()
    assert heatmaps.std() > 0.05
    np.testing.assert_array_equal(cases[1][f'{name} {flip}'], heatmaps)
    image, boxes = rendered(0)
    poses = predictor(image, boxes=boxes)
    np.testing.assert_array_equal(cases[1][f'{name} {flip} keypoints'], poses.keypoints)
    np.testing.assert_array_equal(cases[1][f'{name} {flip} scores'], poses.scores)
