from pathlib import Path

import pytest

from vitpose.cli.main import main

CONFIG = """
base = 'data/unused/'
annotated = dict(type='CocoDataset', data_root='data/coco', ann_file='train.json', data_prefix=dict(img='train/'))
train_dataloader = dict(dataset=dict(type='TeacherCacheDataset', cache='data/cache', dataset=annotated))
val_sets = [
    dict(type='CocoDataset', data_root='data/coco', ann_file='val.json', bbox_file='boxes.json',
         data_prefix=dict(img='train')),
    dict(type='MpiiDataset', ann_file='mpii.json', headbox_file='heads.mat', data_prefix=dict(img='mpii')),
    dict(type='InterHand2DDoubleDataset', data_root='hands', ann_file='data.json', camera_param_file='camera.json',
         joint_file='joint_3d.json', data_prefix=dict(img='images'))]
val_dataloader = dict(dataset=dict(type='CombinedPoseDataset', datasets=val_sets))
val_evaluator = dict(type='MultiDatasetEvaluator', metrics=[dict(ann_file='data/coco/val.json')], datasets=val_sets)
model = dict(
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='https://example.org/mae.pth'),
                  knowledge_token=dict(init='token.npz')),
    head=dict(init_cfg=[dict(type='Pretrained', checkpoint='head.pth')]),
    teacher=dict(config='teacher.py', checkpoint='teacher.pth'))
load_from = 'work_dirs/first/epoch_1.pth'
unused = dict(ann_file='nowhere.json')
"""
FILES = (
    'data/coco/train.json data/coco/train/ data/cache data/coco/val.json boxes.json mpii.json heads.mat mpii '
    'hands/data.json hands/camera.json hands/joint_3d.json hands/images '
    'token.npz head.pth teacher.py teacher.pth work_dirs/first/epoch_1.pth'
).split()


@pytest.fixture
def doctor(tmp_path, monkeypatch, capsys):
    """A function that runs doctor on CONFIG in a temporary folder, and returns the exit code and the output lines."""
    monkeypatch.chdir(tmp_path)
    Path('config.py').write_text(CONFIG)

    def run(*arguments):
        return main(['doctor', 'config.py', *arguments]), capsys.readouterr().out.splitlines()

    return run


def test_each_missing_file_gets_one_line(doctor):
    code, lines = doctor()
    assert code == 1
    assert {line.split(' is missing (')[0] for line in lines} == {*FILES, 'data/coco/train'}
    line_of = {line.split()[0]: line for line in lines}
    cache = 'data/cache is missing (train_dataloader.dataset.cache): write it with `vitpose teacher-cache`'
    assert line_of['data/cache'] == cache
    assert 'train_dataloader.dataset.dataset.ann_file' in line_of['data/coco/train.json']
    assert 'val_evaluator.metrics.0.ann_file' in line_of['data/coco/val.json']
    assert line_of['token.npz'].endswith('from the checkpoint of stage 1')
    _, changed = doctor('--cfg-options', 'load_from=None', 'train_dataloader.dataset.dataset.data_root=other')
    assert 'work_dirs/first/epoch_1.pth' in line_of and not any(line.startswith('work_dirs') for line in changed)
    assert any(line.startswith('other/train.json is missing') for line in changed)


def test_existing_files_are_not_listed(doctor, capsys):
    for name in FILES:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).mkdir() if name.endswith('/') else Path(name).touch()
    assert doctor() == (0, ['config.py: every file that it names exists.'])
    Path('heads.mat').unlink()
    code, (line,) = doctor()
    assert code == 1 and line.startswith('heads.mat is missing (val_dataloader.dataset.datasets.1.headbox_file, ')
    Path('config.py').write_text('model = 1 / 0')
    assert main(['doctor', 'config.py']) == 2
    assert 'vitpose doctor: config.py: ZeroDivisionError' in capsys.readouterr().err
