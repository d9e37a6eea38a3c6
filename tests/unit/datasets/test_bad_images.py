"""on_bad_image='skip': the next readable sample takes the place of a bad one; each is listed once."""

import json
from pathlib import Path

import numpy as np
import pytest
from mmengine.logging import MMLogger
from mmpose.datasets.transforms import LoadImage
from mmpose.registry import DATASETS
from torch.utils.data import DataLoader

from tests.unit.datasets.tiny_files import NAMES, PIPELINE, build, several, write_for
from vitpose_mm.datasets import bad_images
from vitpose_mm.datasets.transforms.image_file import BadImageError, MissingImageError

pytestmark = pytest.mark.usefixtures('mmpose_scope')
BREAK = {'empty': lambda path: path.write_bytes(b''), 'no image': lambda path: path.write_text('<html>')}
BREAK |= {'truncated': lambda path: path.write_bytes(path.read_bytes()[:-20]), 'missing': lambda path: path.unlink()}


def images_of(dataset):
    return [Path(dataset[i]['img_path']).stem for i in range(len(dataset))]


def skipping(folder, **options):
    return build('CocoDataset', pipeline=PIPELINE, on_bad_image='skip', **several(folder), **options)


@pytest.mark.parametrize('damage', BREAK)
def test_the_next_sample_takes_the_place(tmp_path, damage, logged):
    dataset = skipping(tmp_path)
    assert images_of(dataset) == list('012345')
    BREAK[damage](tmp_path / '5.jpg')
    assert images_of(dataset) == list('012340') == images_of(dataset)
    assert logged().count('replaced by the next sample: image') == 1


@pytest.mark.parametrize('name', NAMES)
def test_every_class_has_the_option(tmp_path, name):
    """The only image of the dataset is bad."""
    dataset = build(name, pipeline=PIPELINE, on_bad_image='skip', **write_for(name, tmp_path))
    for path in tmp_path.glob('*.jpg'):
        path.unlink()
    with pytest.raises(ValueError, match='no image can be read'):
        dataset[0]


def test_unlabeled_images_have_the_option(tmp_path):
    several(tmp_path)
    config = dict(type='UnlabeledDataset', sources=[str(tmp_path)], pipeline=PIPELINE, on_bad_image='skip')
    dataset = DATASETS.build(config)
    (tmp_path / '2.jpg').write_bytes(b'')
    assert images_of(dataset) == list('013345')


def stems(dataset, workers):
    return ''.join(DataLoader(dataset, 1, num_workers=workers, collate_fn=stem))


def stem(batch):
    return Path(batch[0]['img_path']).stem


def test_all_processes_share_one_list_and_the_limit(tmp_path, monkeypatch, logged):
    """Two datasets of one file stand for those of two training processes, which write to the same log."""
    one, other = skipping(tmp_path), skipping(tmp_path)
    (tmp_path / '1.jpg').write_bytes(b'')
    (tmp_path / '4.jpg').unlink()
    monkeypatch.setattr(bad_images, 'MAX_BAD_SHARE', 0.4)
    for dataset in (one, other, one):
        assert stems(dataset, 3) == '022355'
    lines = [line.split('\t') for line in (tmp_path / 'bad_images.txt').read_text().splitlines()]
    assert {name for name, _ in lines} == {str(tmp_path / 'annotations.json')}
    assert sorted(reason.split(' is ')[1][:7] for _, reason in lines) == ['empty (', 'missing']
    assert logged().count('replaced by the next sample') == 2 and '(2 bad images of ' in logged()
    (tmp_path / '2.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match='3 images of .*, which has 6 samples.*at most 40% as many.*bad_images.txt'):
        stems(other, 2)


def test_without_a_log_each_process_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(MMLogger, 'log_file', None)
    dataset = skipping(tmp_path)
    (tmp_path / '1.jpg').write_bytes(b'')
    assert stems(dataset, 0) == '022345' and not list(tmp_path.glob('bad*'))
    (tmp_path / '4.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match='2 images of .*, which has 6 samples.*skipped. The last one: image .*4.jpg'):
        stems(dataset, 0)


@pytest.mark.slow
@pytest.mark.parametrize(('damage', 'kind'), [('missing', MissingImageError), ('truncated', BadImageError)])
def test_errors_reach_the_training_process(tmp_path, damage, kind):
    """A data worker sends the error's class and its text."""
    dataset = build('CocoDataset', pipeline=PIPELINE, **several(tmp_path))
    BREAK[damage](tmp_path / '2.jpg')
    with pytest.raises(kind, match='image .*2.jpg .*is '):
        stems(dataset, 1)


@pytest.mark.slow
def test_loading_as_by_mmpose(tmp_path):
    """Options of the pipeline's LoadImage are kept; a loader of another class is not replaced."""
    files = several(tmp_path)
    options = dict(to_float32=True, color_type='grayscale', imdecode_backend='pillow')
    (gray,) = build('CocoDataset', pipeline=[dict(type='LoadImage', **options)], **files).pipeline.transforms
    loaded, expected = (load(dict(img_path=str(tmp_path / '1.jpg'))) for load in (gray, LoadImage(**options)))
    assert loaded.keys() == expected.keys() and loaded['img'].dtype == np.float32 and loaded['img_shape'] == (48, 64)
    np.testing.assert_array_equal(loaded['img'], expected['img'])
    (tmp_path / '1.jpg').write_text('<html>')
    with pytest.raises(BadImageError, match="1.jpg is not an image .* starts with b'<html>'"):
        gray(dict(img_path=str(tmp_path / '1.jpg')))
    loader = UserLoader()
    assert build('CocoDataset', pipeline=[loader], **files).pipeline.transforms == [loader]


class UserLoader(LoadImage): ...


def test_another_error_of_the_pipeline_is_raised(tmp_path):
    pipeline = [*PIPELINE, dict(type='TopdownAffine', input_size=(48, 64))]  # needs the step that gives the center
    dataset = build('CocoDataset', pipeline=pipeline, on_bad_image='skip', **several(tmp_path))
    with pytest.raises(KeyError, match='bbox_scale'):
        dataset[0]


@pytest.mark.slow
def test_a_cached_teacher_goes_with_the_sample_in_place(tmp_path, logged):
    encoder = dict(type='UDPHeatmap', input_size=(48, 64), heatmap_size=(12, 16))
    crop = [dict(type='GetBBoxCenterScale'), dict(type='TopdownAffine', input_size=(48, 64))]
    pack = [dict(type='GenerateTarget', encoder=encoder), dict(type='PackPoseInputs', meta_keys=('img_path',))]
    pipeline = [*PIPELINE, *crop, *pack]
    config = dict(type='CheckedCocoDataset', pipeline=pipeline, on_bad_image='skip', **several(tmp_path))
    cached = dict(type='TeacherCacheDataset', dataset=config, seeds=[0])
    identity = DATASETS.build(cached).identity
    (tmp_path / 'cache.json').write_text(json.dumps(dict(identity, seeds=[0])))
    maps = np.arange(6, dtype=np.float16)[:, None, None, None] * np.ones((6, 17, 16, 12), np.float16)
    np.save(tmp_path / 'seed0.npy', maps)
    dataset = DATASETS.build(dict(cached, cache=str(tmp_path)))
    (tmp_path / '3.jpg').write_bytes(b'')
    samples = [dataset[i]['data_samples'] for i in range(6)]
    assert [sample.gt_fields.teacher_heatmaps[0, 0, 0].item() for sample in samples] == [0, 1, 2, 4, 4, 5]
    assert (dataset.on_bad_image, dataset.dataset.on_bad_image) == ('skip', 'raise')
    assert (tmp_path / 'bad_images.txt').read_text().count('3.jpg is empty') == 1


def test_bad_options(tmp_path):
    with pytest.raises(ValueError, match="'raise' or 'skip'"):
        build('CocoDataset', pipeline=PIPELINE, on_bad_image='drop', **several(tmp_path))
    with pytest.raises(ValueError, match="change a test's result"):
        skipping(tmp_path, test_mode=True)
