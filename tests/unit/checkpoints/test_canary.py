"""No entry runs code of a file: each is given one that would touch another file."""

import json
import os
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

from tests.unit.hooks.toy_training import Toy, build
from tests.unit.own_data.makers import write_coco, write_deeplabcut, write_yolo
from vitpose.cli.main import main
from vitpose_mm.backbones.token_file import read_token_file
from vitpose_mm.checkpoints.safe_load import RESUME_SCHEME, load_from_resume
from vitpose_mm.datasets.teacher_cache_dataset import heatmap_file
from vitpose_mm.estimators.teacher import Teacher
from vitpose_mm.hooks import RunCheckHook

ROOT = Path(__file__).resolve().parents[3]
CONFIG = str(ROOT / 'configs' / 'synthetic' / 'vitpose-mini_synthetic-128x96.py')
MULTI = str(ROOT / 'configs' / 'multi_dataset' / 'vitpose-mini_coco-aic_synthetic-128x96.py')


class Canary:
    """Touches a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f'touch {self.path}',)


@pytest.fixture(scope='module')
def weights():
    """State dicts of the models of both configs."""
    init_default_scope('mmpose')
    return {path: MODELS.build(Config.fromfile(path).model).state_dict() for path in (CONFIG, MULTI)}


@pytest.fixture
def hostile(tmp_path, weights, monkeypatch):
    """A function that writes a checkpoint with a canary in its metadata, or as one of its weights."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.jpg', np.zeros((90, 60, 3), np.uint8))
    init_default_scope('mmpose')

    def write(state_dict, place='meta', name='hostile.pth'):
        content = dict(state_dict=dict(state_dict), meta=dict(epoch=1, iter=1))
        content['meta' if place == 'meta' else 'state_dict']['x'] = Canary(tmp_path / 'it_ran')
        torch.save(content, name)
        return str(tmp_path / name)

    return write


def config_with_init(file):
    config = Config.fromfile(CONFIG)
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file, prefix='backbone.')
    config.dump('own.py')
    return 'own.py'


def read_dataset(file, option):
    """Annotations or detections that are a pickle under the name of a pickle or of JSON."""
    content = dict(images=[], annotations=[], categories=[])
    Path('good.json').write_text(json.dumps(content))
    for name in ('hostile.pkl', 'hostile.json'):
        Path(name).write_bytes(pickle.dumps(Canary(Path('it_ran').absolute()), protocol=0))
        files = dict(dict(ann_file='good.json'), **{option: name})
        with pytest.raises(ValueError, match='is not JSON'):
            DATASETS.build(dict(type='CheckedCocoDataset', test_mode=True, **files))


def read_cache():
    path = heatmap_file(Path('.'), 0)
    np.save(path, np.array([Canary(Path('it_ran').absolute())], dtype=object))
    with pytest.raises(ValueError, match='pickle|object'):
        np.load(path, mmap_mode='r')


def make_dataset(file):
    write_coco(Path('photos'))
    main(['dataset', 'photos/mice.json', '--from', file, '--out', 'mice'])


MEASURE = ['bench', '--config', CONFIG, '--only', 'ours-fp32', '--images', '1', '--people', '1', '--rounds', '1']
ENTRIES = {
    'init_cfg': lambda file: MODELS.build(Config.fromfile(config_with_init(file)).model).init_weights(),
    'teacher': lambda file: Teacher(CONFIG, file).model,
    'token': lambda file: read_token_file(file),
    'token extract': lambda file: main(['token', 'extract', file, '--out', 'token.npz']),
    'dataset': make_dataset,
    'bench': lambda file: main([*MEASURE, '--out', 'bench', '--checkpoint', file]),
    # ends after reading it
    'export': lambda file: main(['export', CONFIG, file, '--to', 'onnx', '--out', 'a.onnx', '--images', 'no images']),
    'inspect': lambda file: main(['inspect', file]),
    'convert': lambda file: main(['convert', file, 'out.pth', '--to', 'mmpose']),
    'cost': lambda file: main(['cost', config_with_init(file)]),
    'predict': lambda file: main(
        ['predict', 'a.jpg', '--config', CONFIG, '--checkpoint', file, '--out', 'out', '--whole-image']
    ),
}


@pytest.mark.parametrize('place', ['meta', 'weights'])
@pytest.mark.parametrize('entry', ENTRIES)
def test_no_code_of_a_checkpoint_runs(hostile, weights, entry, place):
    """The file is refused."""
    file = hostile(weights[CONFIG], place)
    try:
        ENTRIES[entry](file)
    except ValueError:
        pass
    assert not Path('it_ran').exists()


@pytest.mark.parametrize('place', ['meta', 'weights'])
def test_no_code_runs_when_a_model_is_split(hostile, weights, place):
    file = hostile(weights[MULTI], place)
    try:
        main(['split', MULTI, file, '--dataset', 'coco', '--out', 'out'])
    except ValueError:
        pass
    assert not Path('it_ran').exists()


@pytest.mark.parametrize('resume', [False, True])
def test_no_code_runs_in_load_from_and_resume(hostile, resume, tmp_path):
    file = hostile(Toy().state_dict(), name='epoch_1.pth')
    options = dict(load_from=file) if not resume else dict(resume=True)
    runner = build(tmp_path, epochs=1, val=False, hooks=[RunCheckHook()], **options)
    with pytest.raises(ValueError, match='reading it could run code'):
        runner.train()
    assert not Path('it_ran').exists()


@pytest.mark.parametrize('make', [write_coco, write_yolo, write_deeplabcut])
def test_no_code_runs_when_a_dataset_is_made(make, tmp_path, monkeypatch, capsys):
    """Any file of the annotations is a pickle, or YAML that calls a function."""
    monkeypatch.chdir(tmp_path)
    make(tmp_path / 'photos')
    path = {write_coco: 'photos/mice.json', write_yolo: 'photos/data.yaml', write_deeplabcut: 'photos'}[make]
    canary = tmp_path / 'it_ran'
    texts = [pickle.dumps(Canary(canary), protocol=0), f'!!python/object/apply:os.system ["touch {canary}"]'.encode()]
    files = [file for file in (tmp_path / 'photos').rglob('*') if file.suffix in ('.json', '.yaml', '.csv', '.txt')]
    assert files
    for number, (file, text) in enumerate((file, text) for file in files[:4] for text in texts):
        before = file.read_bytes()
        file.write_bytes(text)
        code = main(['dataset', path, '--out', f'out{number}', '--from', 'scratch'])
        assert code == 2 or file.name == 'config.yaml', capsys.readouterr().err  # DeepLabCut's is not needed
        file.write_bytes(before)
    assert not canary.exists()


def test_no_code_of_boxes_runs(hostile, weights):
    file = hostile(weights[CONFIG])
    Path('boxes.json').write_bytes(pickle.dumps(Canary(Path('it_ran').absolute()), protocol=0))
    options = ['--config', CONFIG, '--checkpoint', file, '--out', 'out', '--boxes', 'boxes.json']
    assert main(['predict', 'a.jpg', *options]) == 2
    assert not Path('it_ran').exists()


@pytest.mark.parametrize('option', ['ann_file', 'bbox_file'])
def test_no_code_of_annotations_and_caches_runs(hostile, option):
    read_dataset(hostile, option)
    read_cache()
    assert not Path('it_ran').exists()


def test_the_canary_can_sing(hostile, weights):
    """Otherwise the tests above could not fail."""
    torch.load(hostile(weights[CONFIG]), weights_only=False)
    assert Path('it_ran').exists()


def test_a_config_in_the_meta_of_a_resumed_checkpoint_does_not_run(tmp_path):
    """MMEngine's `Runner.resume` runs `meta['config']`, plain text, as a program."""
    torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=dict(config='import os', epoch=1)), tmp_path / 'a.pth')
    assert load_from_resume(f'{RESUME_SCHEME}{tmp_path / "a.pth"}', 'cpu')['meta'] == dict(epoch=1)
