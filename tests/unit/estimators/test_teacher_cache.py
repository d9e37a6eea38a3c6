"""Distillation from cached heatmaps of the teacher."""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import Config, ConfigDict
from mmpose.registry import DATASETS

from tests.unit.estimators.distillation import PIPELINE, collate, distiller, estimator, preprocessed
from tests.unit.heads.pose_samples import CODEC
from vitpose.cli import teacher_cache
from vitpose.cli.main import main
from vitpose_mm.datasets.teacher_cache_dataset import seeded
from vitpose_mm.estimators.teacher import Teacher


def cached(data, **more):
    return DATASETS.build(ConfigDict(type='TeacherCacheDataset', dataset=data, **more))


def losses(model, sample):
    return model.loss(*preprocessed(model, collate(sample)))


UNFLIPPED = PIPELINE[:2] + PIPELINE[3:]


def write_cache(folder, teacher, data, *arguments, student=None):
    loader = dict(batch_size=2, dataset=data)
    model = dict(student or estimator(), type='DistillPoseEstimator', teacher=teacher)
    Config(dict(model=model, train_dataloader=loader)).dump(folder / 'distill.py')
    options = ('--out', str(folder / 'cache'), '--workers', '0', '--batch', '4')
    return main(['teacher-cache', str(folder / 'distill.py'), *options, *arguments])


def test_the_cache_gives_the_same_loss_as_the_running_teacher(teacher, data, tmp_path, capsys):
    files = teacher()
    assert write_cache(tmp_path, files, data, '--seeds', '3', '8') == 0
    assert 'fp16 heatmaps (17, 16, 12) of 6 samples, seeds 3, 8' in capsys.readouterr().out
    assert sorted(p.name for p in (tmp_path / 'cache').iterdir()) == ['cache.json', 'seed3.npy', 'seed8.npy']
    assert np.load(tmp_path / 'cache' / 'seed3.npy').dtype == np.float16
    live, kept = distiller(files).eval(), distiller(None).eval()
    running, stored = cached(data, seeds=[3, 8]), cached(data, cache=str(tmp_path / 'cache'))
    values = []
    for index, seed in itertools.product(range(6), (3, 8)):
        computed, read = (losses(m, d.sample(index, seed)) for m, d in ((live, running), (kept, stored)))
        assert torch.equal(computed['loss_kpt'], read['loss_kpt'])  # the same image and labels
        # fp16 has 11 significant bits
        torch.testing.assert_close(computed['loss_distill'], read['loss_distill'], rtol=2e-3, atol=1e-7)
        values.append(read['loss_kpt'].item())
    assert len(set(values)) == 12  # each seed gives another augmentation
    with torch.autocast('cpu', torch.bfloat16):
        assert losses(kept, stored[0])['loss_distill'] > 0
    with pytest.raises(ValueError, match='set model.teacher=None to use the cache'):
        losses(live, stored[0])


def test_processes_that_write_seeds_of_a_cache_at_the_same_time_keep_each_others(teacher, data, tmp_path, monkeypatch):
    files, write_heatmaps = teacher(), teacher_cache._teacher_heatmaps

    def write_with_another(*args):
        monkeypatch.setattr(teacher_cache, '_teacher_heatmaps', write_heatmaps)
        assert write_cache(tmp_path, files, data, '--seeds', '1') == 0
        yield from write_heatmaps(*args)

    monkeypatch.setattr(teacher_cache, '_teacher_heatmaps', write_with_another)
    assert write_cache(tmp_path, files, data, '--seeds', '0') == 0
    assert cached(data, cache=str(tmp_path / 'cache')).seeds == [1, 0]


def test_our_pipeline_gives_the_losses_of_mmposes(teacher, data, tmp_path):
    """With a running teacher and from a cache; heatmaps are made by the head."""
    codec = dict(CODEC, type='BatchUDPHeatmap')
    names = ('LazyLoadImage', 'GetBBoxCenterScale', 'LazyRandomFlip', 'RandomHalfBody', 'FastRandomBBoxTransform')
    assert PIPELINE[5]['type'] == 'TopdownAffine'
    crop = dict(PIPELINE[5], type='DecodeAndCrop')
    steps = [*(dict(type=name) for name in names), crop, dict(type='KeypointTarget', encoder=codec)]
    ours = dict(data, pipeline=[*steps, dict(type='PackCroppedInputs')])
    student, files = estimator(decoder=codec), teacher()
    assert write_cache(tmp_path, files, ours, '--seeds', '3', student=student) == 0
    live, kept = distiller(files, student).eval(), distiller(None, student).eval()
    stored = cached(ours, cache=str(tmp_path / 'cache'))
    pairs = ((live, cached(data, seeds=[3])), (live, cached(ours, seeds=[3])), (kept, stored))
    for index in range(6):
        mmpose, running, read = (losses(model, dataset.sample(index, 3)) for model, dataset in pairs)
        for other in (running, read):
            torch.testing.assert_close(other['loss_kpt'], mmpose['loss_kpt'], rtol=0, atol=1e-6)
        torch.testing.assert_close(running['loss_distill'], mmpose['loss_distill'], rtol=0, atol=1e-6)
        torch.testing.assert_close(read['loss_distill'], mmpose['loss_distill'], rtol=2e-3, atol=1e-7)


def test_each_sample_draws_its_seed_and_no_other_random_numbers(data):
    dataset = cached(data, seeds=[0, 1, 2])
    np.random.seed(4)
    drawn = [dataset[0]['inputs'] for _ in range(8)]
    after = np.random.rand()
    assert {tuple(image.flatten()[::97].tolist()) for image in drawn} == {
        tuple(dataset.sample(0, seed)['inputs'].flatten()[::97].tolist()) for seed in (0, 1, 2)
    }
    np.random.seed(4)
    for _ in range(8):
        np.random.randint(3)
    assert np.random.rand() == after


def test_all_three_generators_are_seeded_by_seed_and_sample():
    def draw():
        return random.random(), np.random.rand(), torch.rand(1).item()

    def draw_seeded(*key):
        random.seed(5), np.random.seed(5), torch.manual_seed(5)
        with seeded(*key):
            return draw()

    first, after = draw_seeded(1, 2), draw()
    assert draw_seeded(1, 2) == first
    random.seed(5), np.random.seed(5), torch.manual_seed(5)
    assert draw() == after
    for other in ((2, 1), (1, 3)):
        assert not set(draw_seeded(*other)) & set(first)


def test_a_cache_that_does_not_match_is_refused(teacher, data, tmp_path, capsys):
    assert write_cache(tmp_path, None, data) == 2
    assert 'has no model.teacher' in capsys.readouterr().err
    files, folder = teacher(), tmp_path / 'cache'
    assert write_cache(tmp_path, files, data) == 0
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ValueError, match='written for another pipeline'):
        cached(dict(data, pipeline=UNFLIPPED), cache=str(folder))
    with pytest.raises(ValueError, match=r'seeds=\[1\], expected at least one of \[0\]'):
        cached(data, cache=str(folder), seeds=[1])
    with pytest.raises(ValueError, match='expected at least one, such as'):
        cached(data)
    capsys.readouterr()
    assert write_cache(tmp_path, files, dict(data, pipeline=UNFLIPPED), '--seeds', '0', '1') == 2
    assert 'written for another pipeline' in capsys.readouterr().err
    weights = torch.load(files['checkpoint'], weights_only=False)
    weights['state_dict']['head.final_layer.bias'] += 1
    torch.save(weights, files['checkpoint'])
    assert write_cache(tmp_path, files, data, '--seeds', '0', '1') == 2
    assert 'written for another teacher, with SHA-256' in capsys.readouterr().err
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    content = json.loads(Path(data['ann_file']).read_text())
    content['annotations'].pop()
    Path(data['ann_file']).write_text(json.dumps(content))
    with pytest.raises(ValueError, match='written for other samples'):
        cached(data, cache=str(folder))
    (folder / 'cache.json').unlink()
    with pytest.raises(FileNotFoundError, match='has no cache.json.*vitpose teacher-cache'):
        cached(data, cache=str(folder))


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ('--seeds 1 1', 'expected each seed once'),
        ('--seeds -1', 'and >= 0'),
        ('--batch 0', 'batch >= 1'),
        ('--device gpu', "device='gpu': "),
    ],
)
def test_bad_arguments_of_the_command_give_an_error_of_one_line(data, tmp_path, capsys, arguments, message):
    assert write_cache(tmp_path, None, data, *arguments.split()) == 2
    error = capsys.readouterr().err
    assert message in error and error.count('\n') == 1 and not (tmp_path / 'cache').exists()


def test_a_missing_file_of_annotations_is_named(teacher, data, tmp_path, capsys):
    assert write_cache(tmp_path, teacher(), dict(data, type='CocoDataset', ann_file='no.json')) == 2
    error = capsys.readouterr().err
    assert 'distill.py: Annotation file `' in error and 'no.json`does not exist' in error and error.count('\n') == 1


@pytest.mark.parametrize('workers', [0, 1])
def test_an_unreadable_image_ends_the_command_with_its_name(teacher, data, tmp_path, capsys, workers):
    (image,) = Path(data['data_prefix']['img']).glob('*.png')
    image.write_bytes(image.read_bytes()[:200])
    assert write_cache(tmp_path, teacher(), data, '--workers', str(workers)) == 1
    error = capsys.readouterr().err
    assert f'image {image} is truncated' in error and 'Traceback' not in error and len(error) < 400
    assert [path.name for path in (tmp_path / 'cache').iterdir()] == ['cache.json']


def test_the_file_grows_as_it_is_written(teacher, data, tmp_path, monkeypatch):
    """In a file that has its size from the start, as a memory map has, writing to a full disk ends the process."""
    sizes, original = [], Teacher.heatmaps

    def measure(self, *batch):
        sizes.append((tmp_path / 'cache/seed0.npy.part').stat().st_size)
        return original(self, *batch)

    monkeypatch.setattr(Teacher, 'heatmaps', measure)
    assert write_cache(tmp_path, teacher(), data) == 0
    assert len(sizes) == 2 and max(sizes) < (tmp_path / 'cache/seed0.npy').stat().st_size


def test_the_command_resumes_after_an_interruption(teacher, data, tmp_path, capsys, monkeypatch):
    """Complete seeds are kept, incomplete ones are not used, and the result equals an uninterrupted run."""
    files, cache, original = teacher(), tmp_path / 'cache', Teacher.heatmaps

    def stop_in_the_second_seed(self, *batch):
        if (cache / 'seed3.npy').exists():
            raise KeyboardInterrupt
        return original(self, *batch)

    monkeypatch.setattr(Teacher, 'heatmaps', stop_in_the_second_seed)
    assert write_cache(tmp_path, files, data, '--seeds', '3', '8') == 130
    assert sorted(p.name for p in cache.iterdir()) == ['cache.json', 'seed3.npy']
    with pytest.raises(ValueError, match=r'seeds=\[3, 8\], expected at least one of \[3\], .*add seeds with'):
        cached(data, cache=str(cache))
    assert cached(data, cache=str(cache), seeds=[3]).seeds == [3]
    written = (cache / 'seed3.npy').stat().st_mtime_ns
    monkeypatch.setattr(Teacher, 'heatmaps', original)
    for seeds, message in (
        (['3', '8'], 'seeds 3, 8 (already present: 3)'),
        (['8'], 'seeds 3, 8 (already present: 3, 8)'),
        (['5'], 'seeds 3, 8, 5 (already present: 3, 8)'),
    ):
        assert write_cache(tmp_path, files, data, '--seeds', *seeds) == 0
        assert message in capsys.readouterr().out
    assert (cache / 'seed3.npy').stat().st_mtime_ns == written
    assert cached(data, cache=str(cache)).seeds == [3, 8, 5]
    fresh = tmp_path / 'fresh'
    fresh.mkdir()
    assert write_cache(fresh, files, data, '--seeds', '3', '8', '5') == 0
    for path in (fresh / 'cache').iterdir():
        assert path.read_bytes() == (cache / path.name).read_bytes()


@pytest.mark.parametrize('other', ['codec', 'crop'])
def test_the_command_refuses_the_same_teachers_as_training(teacher, data, tmp_path, capsys, other):
    files = teacher(estimator(32, decoder=dict(CODEC, type='MSRAHeatmap')) if other == 'codec' else None)
    if other == 'crop':
        crop = dict(type='TopdownAffine', input_size=(48, 64))
        loader = dict(dataset=dict(type='CocoDataset', pipeline=[crop]))
        Config(dict(model=estimator(32), train_dataloader=loader)).dump(files['config'])
    assert write_cache(tmp_path, files, data) == 2
    assert "the teacher's" in capsys.readouterr().err and not (tmp_path / 'cache').exists()


@pytest.mark.parametrize('number', [1, 2])
def test_a_cache_of_combined_datasets(teacher, data, tmp_path, number):
    members = [data, dict(data, type='CheckedHumanArtDataset')][:number]
    ratios = [0.5, 1][:number]
    combined = dict(type='CombinedPoseDataset', datasets=members, pipeline=PIPELINE, sample_ratio_factor=ratios)
    files = teacher()
    assert write_cache(tmp_path, files, combined) == 0
    stored, model = cached(combined, cache=str(tmp_path / 'cache')), distiller(files)
    assert len(stored) == {1: 3, 2: 9}[number]
    for index in range(len(stored)):
        sample = stored.sample(index, 0)
        kept = sample['data_samples'].gt_fields.pop('teacher_heatmaps')
        computed = model.teacher_heatmaps(*preprocessed(model, collate(sample)))[0]
        torch.testing.assert_close(kept.float(), computed, rtol=1e-3, atol=1e-6)
    combined['datasets'][-1] = dict(members[-1], pipeline=UNFLIPPED)
    with pytest.raises(ValueError, match='written for another pipeline'):
        cached(combined, cache=str(tmp_path / 'cache'))
