"""No entry runs code of a file: each is given one that would touch another file (see test_fuzz_readers.py)."""

import json
import pickle
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import DATASETS, MODELS

from tests.unit.checkpoints.tiny_vits import Canary
from tests.unit.hooks.toy_training import Toy, build
from tests.unit.own_data.makers import write_coco, write_deeplabcut, write_yolo
from vitpose.cli.main import main
from vitpose_mm.backbones.token_file import read_token_file
from vitpose_mm.checkpoints.mmengine_loading import RESUME_SCHEME, load_from_resume
from vitpose_mm.datasets.teacher_cache_dataset import TeacherCacheDataset, heatmap_file
from vitpose_mm.estimators.teacher import Teacher
from vitpose_mm.hooks import RunCheckHook

CONFIGS = Path(__file__).resolve().parents[3] / 'configs'
CONFIG = str(CONFIGS / 'synthetic/vitpose-mini_synthetic-128x96.py')
MULTI = str(CONFIGS / 'multi_dataset/vitpose-mini_coco-aic_synthetic-128x96.py')


@pytest.fixture(scope='module')
def weights():
    """State dicts of the models of both configs."""
    init_default_scope('mmpose')
    return {path: MODELS.build(Config.fromfile(path).model).state_dict() for path in (CONFIG, MULTI)}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, with an image; no test may leave `it_ran` there."""
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.jpg', np.zeros((90, 60, 3), np.uint8))
    init_default_scope('mmpose')
    yield tmp_path
    assert not Path('it_ran').exists()


def canary():
    return Canary(Path('it_ran').absolute())


def hostile(state_dict, place='meta', name='hostile.pth'):
    """Write a checkpoint with a canary in its metadata, or as one of its weights."""
    content = dict(state_dict=dict(state_dict), meta=dict(epoch=1, iter=1))
    content[place]['x'] = canary()
    torch.save(content, name)
    return str(Path(name).absolute())


def config_with_init(file):
    config = Config.fromfile(CONFIG)
    config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=file, prefix='backbone.')
    config.dump('own.py')
    return 'own.py'


def make_dataset(file):
    write_coco(Path('photos'))
    return main(['dataset', 'photos/mice.json', '--from', file, '--out', 'mice'])


MEASURE = ['bench', '--config', CONFIG, '--only', 'ours-fp32', '--images', '1', '--people', '1', '--rounds', '1']
PREDICT = ['predict', 'a.jpg', '--config', CONFIG, '--out', 'out', '--checkpoint']
ENTRIES = {
    'init_cfg': lambda file: MODELS.build(Config.fromfile(config_with_init(file)).model).init_weights(),
    'teacher': lambda file: Teacher(CONFIG, file).model,
    'token': read_token_file,
    'token extract': lambda file: main(['token', 'extract', file, '--out', 'token.npz']),
    'dataset': make_dataset,
    'bench': lambda file: main([*MEASURE, '--out', 'bench', '--checkpoint', file]),
    # ends after reading it
    'export': lambda file: main(['export', CONFIG, file, '--to', 'onnx', '--out', 'a.onnx', '--images', 'no images']),
    'inspect': lambda file: main(['inspect', file]),
    'convert': lambda file: main(['convert', file, 'out.pth', '--to', 'mmpose']),
    'cost': lambda file: main(['cost', config_with_init(file)]),
    'predict': lambda file: main([*PREDICT, file, '--whole-image']),
    'split': lambda file: main(['split', MULTI, file, '--dataset', 'coco', '--out', 'out']),
}


@pytest.mark.parametrize('place', ['meta', 'state_dict'])
@pytest.mark.parametrize('entry', ENTRIES)
def test_no_code_of_a_checkpoint_runs(folder, weights, entry, place):
    """The file is refused; `vitpose cost` reads no weights."""
    file = hostile(weights[MULTI if entry == 'split' else CONFIG], place)
    try:
        assert ENTRIES[entry](file) != 0 or entry == 'cost'
    except ValueError:
        pass


@pytest.mark.parametrize('resume', [False, True])
def test_no_code_runs_in_load_from_and_resume(folder, resume):
    file = hostile(Toy().state_dict(), name='epoch_1.pth')
    options = dict(resume=True) if resume else dict(load_from=file)
    with pytest.raises(ValueError, match='reading it could run code'):
        build(folder, epochs=1, val=False, hooks=[RunCheckHook()], **options).train()


@pytest.mark.parametrize('make', [write_coco, write_yolo, write_deeplabcut])
def test_no_code_runs_when_a_dataset_is_made(make, folder, capsys):
    """Any file of the annotations is a pickle, or YAML that calls a function."""
    make(folder / 'photos')
    path = {write_coco: 'photos/mice.json', write_yolo: 'photos/data.yaml', write_deeplabcut: 'photos'}[make]
    yaml = f'!!python/object/apply:os.system ["touch {folder / "it_ran"}"]'.encode()
    files = [file for file in (folder / 'photos').rglob('*') if file.suffix in ('.json', '.yaml', '.csv', '.txt')][:4]
    assert files
    for file in files:
        before = file.read_bytes()
        for number, text in enumerate((pickle.dumps(canary(), protocol=0), yaml)):
            file.write_bytes(text)
            code = main(['dataset', path, '--out', f'out{files.index(file)}{number}', '--from', 'scratch'])
            assert code == 2 or file.name == 'config.yaml', capsys.readouterr().err  # DeepLabCut's is not needed
        file.write_bytes(before)


def test_no_code_of_boxes_runs(folder, weights):
    Path('boxes.json').write_bytes(pickle.dumps(canary(), protocol=0))
    torch.save(dict(state_dict=weights[CONFIG]), 'good.pth')
    assert main([*PREDICT, 'good.pth', '--boxes', 'boxes.json']) == 2


@pytest.mark.parametrize('name', ['hostile.pkl', 'hostile.json'])
@pytest.mark.parametrize('option', ['ann_file', 'bbox_file'])
def test_no_code_of_annotations_runs(folder, option, name):
    Path('good.json').write_text(json.dumps(dict(images=[], annotations=[], categories=[])))
    Path(name).write_bytes(pickle.dumps(canary(), protocol=0))
    with pytest.raises(ValueError, match='is not JSON'):
        DATASETS.build(dict(dict(type='CheckedCocoDataset', test_mode=True, ann_file='good.json'), **{option: name}))


def test_no_code_of_a_cache_runs(folder):
    np.save(heatmap_file(folder, 0), np.array([canary()], dtype=object))
    dataset, samples = TeacherCacheDataset.__new__(TeacherCacheDataset), SimpleNamespace(prepare_data=lambda index: {})
    dataset.cache, dataset._maps, dataset.dataset = folder, {}, samples
    with pytest.raises(ValueError, match='pickle|object'):
        dataset._sample(0, 0)


def test_a_config_in_the_meta_of_a_resumed_checkpoint_does_not_run(tmp_path):
    """MMEngine's `Runner.resume` runs `meta['config']`, plain text, as a program."""
    torch.save(dict(state_dict=dict(a=torch.ones(1)), meta=dict(config='import os', epoch=1)), tmp_path / 'a.pth')
    assert load_from_resume(f'{RESUME_SCHEME}{tmp_path / "a.pth"}', 'cpu')['meta'] == dict(epoch=1)
