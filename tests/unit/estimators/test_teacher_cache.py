"""A student that learns from a teacher's kept heatmaps."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config, ConfigDict
from mmpose.registry import DATASETS

from tests.unit.estimators.distillation import PIPELINE, distiller, estimator, prepared
from vitpose_mm.cli.main import main
from vitpose_mm.datasets.teacher_cache import random_numbers_of


def cached(data, **more):
    return DATASETS.build(ConfigDict(type='TeacherCacheDataset', dataset=data, **more))


def write_cache(folder, teacher, data, *arguments):
    loader = dict(batch_size=2, dataset=data)
    model = dict(estimator(), type='DistillPoseEstimator', teacher=teacher)
    Config(dict(model=model, train_dataloader=loader)).dump(folder / 'distill.py')
    return main(['teacher-cache', str(folder / 'distill.py'), '--out', str(folder / 'cache'), '--workers', '0',
                 '--batch', '4', *arguments])


def test_the_cache_gives_the_running_teachers_loss(teacher, data, tmp_path, capsys):
    given = teacher()
    assert write_cache(tmp_path, given, data, '--seeds', '3', '8') == 0
    assert 'fp16 heatmaps (17, 16, 12) of 6 samples, seeds 3, 8' in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / 'cache').iterdir()) == ['cache.json', 'seed3.npy', 'seed8.npy']
    assert np.load(tmp_path / 'cache' / 'seed3.npy').dtype == np.float16
    live, kept = distiller(given).eval(), distiller(None).eval()
    running, stored = cached(data, seeds=[3, 8]), cached(data, cache=str(tmp_path / 'cache'))
    losses = []
    for index in range(6):
        for seed in (3, 8):
            pair = []
            for model, dataset in ((live, running), (kept, stored)):
                sample = dataset.sample(index, seed)
                pair.append(model.loss(*prepared(model, {key: [value] for key, value in sample.items()})))
            assert torch.equal(pair[0]['loss_kpt'], pair[1]['loss_kpt'])  # the very same image and labels
            # fp16 keeps 11 bits of each heatmap value
            torch.testing.assert_close(pair[0]['loss_distill'], pair[1]['loss_distill'], rtol=2e-3, atol=1e-7)
            losses.append(pair[0]['loss_kpt'].item())
    assert len(set(losses)) == 12  # each seed is another augmentation
    with torch.autocast('cpu', torch.bfloat16):
        assert kept.loss(*prepared(kept, {key: [value] for key, value in sample.items()}))['loss_distill'] > 0


def test_seeds_are_drawn_from_the_loaders_random_numbers_and_leave_them_alone(data):
    dataset = cached(data, seeds=[0, 1, 2])
    np.random.seed(4)
    drawn = [dataset[0]['inputs'] for _ in range(8)]
    after = np.random.rand()
    assert {tuple(image.flatten()[::97].tolist()) for image in drawn} == {
        tuple(dataset.sample(0, seed)['inputs'].flatten()[::97].tolist()) for seed in (0, 1, 2)}
    np.random.seed(4)
    for _ in range(8):
        np.random.randint(3)
    assert np.random.rand() == after


def test_all_three_random_numbers_are_of_seed_and_sample():
    def drawn(*key):
        with random_numbers_of(*key):
            return random.random(), np.random.rand(), torch.rand(1).item()

    first = drawn(1, 2)
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    assert drawn(1, 2) == first
    after = random.random(), np.random.rand(), torch.rand(1).item()
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    assert (random.random(), np.random.rand(), torch.rand(1).item()) == after
    for other in ((2, 1), (1, 3)):
        assert not set(drawn(*other)) & set(first)


def test_a_cache_of_something_else_is_refused(teacher, data, tmp_path, capsys):
    assert write_cache(tmp_path, teacher(), data) == 0
    cache = str(tmp_path / 'cache')
    with pytest.raises(ValueError, match='written for other pipeline'):
        cached(dict(data, pipeline=PIPELINE[:2] + PIPELINE[3:]), cache=cache)
    with pytest.raises(ValueError, match=r'seeds=\[1\], expected at least one of \[0\]'):
        cached(data, cache=cache, seeds=[1])
    with pytest.raises(ValueError, match='expected at least one, such as'):
        cached(data)
    content = json.loads(Path(data['ann_file']).read_text())
    content['annotations'].pop()
    Path(data['ann_file']).write_text(json.dumps(content))
    with pytest.raises(ValueError, match='written for other samples'):
        cached(data, cache=cache)
    (tmp_path / 'cache' / 'cache.json').unlink()
    with pytest.raises(FileNotFoundError, match='has no cache.json.*vitpose teacher-cache'):
        cached(data, cache=cache)


@pytest.mark.parametrize(('arguments', 'message'), [
    (['--seeds', '1', '1'], 'expected each seed once'),
    (['--seeds', '-1'], 'from 0'),
    (['--batch', '0'], 'images from 1'),
])
def test_the_command_says_what_does_not_fit_in_one_line(teacher, data, tmp_path, capsys, arguments, message):
    assert write_cache(tmp_path, teacher(), data, *arguments) == 2
    said = capsys.readouterr().err
    assert message in said and said.count('\n') == 1 and not (tmp_path / 'cache').exists()


def test_the_command_needs_a_teacher_and_writes_over_nothing(teacher, data, tmp_path, capsys):
    assert write_cache(tmp_path, None, data) == 2
    assert 'has no model.teacher' in capsys.readouterr().err
    assert write_cache(tmp_path, teacher(), data) == 0
    capsys.readouterr()
    assert write_cache(tmp_path, teacher(), data) == 2
    assert 'has a cache already' in capsys.readouterr().err
