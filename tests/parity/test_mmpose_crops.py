"""The training crops equal MMPose's, or where a JPEG is decoded at reduced scale, are closer to filtered ones."""

import io

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.datasets.transforms import (
    GetBBoxCenterScale,
    LoadImage,
    PackPoseInputs,
    RandomBBoxTransform,
    RandomFlip,
    TopdownAffine,
)
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import DATASETS
from PIL import Image

from vitpose_mm.datasets.transforms import (
    DecodeAndCrop,
    FastRandomBBoxTransform,
    LazyLoadImage,
    LazyRandomFlip,
    PackCroppedInputs,
)

INPUT = (96, 128)
HEIGHT, WIDTH = 331, 450
FORMATS = {
    '4:4:4.jpg': dict(quality=95, subsampling=0),
    '4:2:0.jpg': dict(quality=90, subsampling=2),
    'progressive.jpg': dict(progressive=True, quality=90),
    'grey.jpg': dict(mode='L', quality=90),
    'cmyk.jpg': dict(mode='CMYK', quality=90),
    'turned.jpg': dict(quality=90, orientation=6),
    'mirrored.jpg': dict(quality=90, orientation=2),
    'upright.jpg': dict(quality=90, orientation=1),
    'rgb.png': {},
    '16 bit.png': dict(mode='I;16'),
    'lossless.webp': dict(lossless=True),
}


def picture():
    """Blobs, edges and fine stripes."""
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    random = np.random.default_rng(0)
    image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    for _ in range(60):
        cx, cy, size = random.uniform(0, WIDTH), random.uniform(0, HEIGHT), random.uniform(3, 60)
        inside = (np.abs(x - cx) < size) & (np.abs(y - cy) < size * random.uniform(0.3, 2))
        image[inside] = random.uniform(0, 255, 3) * (0.6 + 0.4 * np.sin(x[inside] * random.uniform(0, 2)))[:, None]
    return image.clip(0, 255).astype(np.uint8)


def write(path, mode=None, orientation=None, **options):
    image = picture()
    if mode == 'I;16':
        cv2.imwrite(str(path), image.astype(np.uint16) * 257)
        return
    image = Image.fromarray(image)
    if orientation:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options['exif'] = exif
    image.convert(mode or 'RGB').save(path, **options)


def crops(path, box, seed, udp=True, reduced=True, **turning):
    """Ours and MMPose's sample of the same random numbers."""
    keypoints = np.random.default_rng(1).uniform(0, 300, (1, 4, 2)).astype(np.float32)
    both, opening = [], [LazyLoadImage(), GetBBoxCenterScale()]
    for steps in (
        [*opening, LazyRandomFlip(), FastRandomBBoxTransform(**turning), DecodeAndCrop(INPUT, udp, reduced)],
        [LoadImage(), GetBBoxCenterScale(), RandomFlip(), RandomBBoxTransform(**turning), TopdownAffine(INPUT, udp)],
    ):
        np.random.seed(seed)
        sample = dict(img_path=str(path), bbox=np.array([box], np.float32), flip_indices=[1, 0, 3, 2])
        sample.update(keypoints=keypoints.copy(), keypoints_visible=np.ones((1, 4), np.float32))
        for step in steps:
            sample = step(sample)
        both.append(sample)
    return both


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('udp', [True, False])
def test_crops_equal_those_of_mmpose(name, udp, tmp_path):
    write(tmp_path / name, **FORMATS[name])
    flips = []
    for seed in range(12):
        left, top = np.random.default_rng(seed).integers(-40, 200, 2)
        ours, theirs = crops(tmp_path / name, (left, top, left + 100, top + 150), seed, udp, scale_factor=(0.7, 1.0))
        assert ours['img'].dtype == np.uint8 and ours['img'].flags['C_CONTIGUOUS']
        difference = np.abs(ours['img'].astype(int) - theirs['img'])
        assert difference.max() <= 1
        for key in ('transformed_keypoints', 'bbox_center', 'bbox_scale', 'input_center', 'input_scale'):
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-4)
        assert all(ours[key] == theirs[key] for key in ('flip', 'flip_direction', 'input_size', 'img_shape'))
        assert ours['ori_shape'] == theirs['ori_shape'] and 'image_file' not in ours
        flips.append(ours['flip'])
    assert any(flips) and not all(flips)


@pytest.mark.parametrize('name', FORMATS)
@pytest.mark.parametrize('udp', [True, False])
def test_without_reduced_decoding_every_crop_is_exactly_that_of_mmpose(name, udp, tmp_path):
    """Also of crops that shrink the image to an eighth."""
    write(tmp_path / name, **FORMATS[name])
    for seed, scale in enumerate([0.3, 0.6, 1.0, 1.0, 2.0, 2.0, 8.0, 8.0]):
        turning = dict(scale_factor=(scale, scale * 1.1))
        ours, theirs = crops(tmp_path / name, (30, 10, 400, 320), seed, udp, reduced=False, **turning)
        np.testing.assert_array_equal(ours['img'], theirs['img'])
        np.testing.assert_array_equal(ours['transformed_keypoints'], theirs['transformed_keypoints'])


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_every_flip(direction, tmp_path):
    write(tmp_path / 'a.jpg', quality=95)
    sample = dict(img_path=str(tmp_path / 'a.jpg'), flip_indices=[0], bbox=np.array([[50, 60, 130, 170]], np.float32))
    sample.update(keypoints=np.array([[[70.0, 90.0]]], np.float32), keypoints_visible=np.ones((1, 1), np.float32))
    ours, theirs = dict(sample), dict(sample)
    flip = LazyRandomFlip(prob=1.0, direction=direction)
    for step in (LazyLoadImage(), GetBBoxCenterScale(), flip, DecodeAndCrop(INPUT, True)):
        ours = step(ours)
    for step in (
        LoadImage(),
        GetBBoxCenterScale(),
        RandomFlip(prob=1.0, direction=direction),
        TopdownAffine(INPUT, True),
    ):
        theirs = step(theirs)
    assert np.abs(ours['img'].astype(int) - theirs['img']).max() <= 1


@pytest.mark.parametrize('name', ['4:4:4.jpg', '4:2:0.jpg', 'progressive.jpg', 'grey.jpg', 'upright.jpg'])
def test_shrunk_crops_are_closer_to_filtered_ones(name, tmp_path, monkeypatch):
    """The filtered crop averages 8 x 8 samples per pixel of the crop, from the whole image."""
    write(tmp_path / name, **FORMATS[name])
    whole = cv2.imread(str(tmp_path / name))
    squares = {'ours': [], 'theirs': []}
    for seed in range(8):
        ours, theirs = crops(tmp_path / name, (30, 10, 400, 320), seed, scale_factor=(0.9, 1.4), shift_prob=0.0)
        reference = filtered(whole, theirs, seed)
        for which, sample in dict(ours=ours, theirs=theirs).items():
            squares[which].append(((sample['img'] - reference) ** 2).mean())
    assert np.mean(squares['ours']) < 0.8 * np.mean(squares['theirs'])
    assert np.mean(squares['ours']) < 150


def filtered(whole, sample, seed):
    from mmpose.structures.bbox import get_udp_warp_matrix

    image = cv2.flip(whole, 1) if sample['flip'] else whole
    matrix = get_udp_warp_matrix(sample['input_center'], sample['input_scale'], sample['bbox_rotation'][0], INPUT)
    fine = np.array([[8, 0, 3.5], [0, 8, 3.5], [0, 0, 1]]) @ np.vstack([matrix, [0, 0, 1]])
    many = cv2.warpAffine(image, fine[:2], (8 * INPUT[0], 8 * INPUT[1]), flags=cv2.INTER_LINEAR)
    return cv2.resize(many, INPUT, interpolation=cv2.INTER_AREA).astype(np.float64)


@pytest.mark.parametrize('reduced', [True, False])
def test_training_and_test_crops_of_photographs(photographs, reduced):
    """Without augmentation at 256x192: the figures of docs/training_speed.md."""
    init_default_scope('mmpose')
    size, distances = (192, 256), []
    for reader, folder in (('Coco', 'coco'), ('Aic', 'aic'), ('AP10K', 'ap10k')):
        files = dict(data_root=str(photographs / folder), ann_file=f'test_{folder}.json', data_prefix=dict(img=''))
        training, testing = (
            DATASETS.build(dict(type=f'Checked{reader}Dataset', pipeline=pipeline, **files))
            for pipeline in (
                [LazyLoadImage(), GetBBoxCenterScale(), DecodeAndCrop(size, True, reduced)],
                [LoadImage(), GetBBoxCenterScale(), TopdownAffine(size, True)],
            )
        )
        for i in range(len(training)):
            distances.append(np.abs(training[i]['img'].astype(int) - testing[i]['img']).mean())
    differing = [distance for distance in distances if distance]
    assert (len(distances), len(differing)) == (23, 10 if reduced else 0)
    assert not reduced or (np.mean(differing).round(1), max(differing).round(1)) == (2.7, 6.4)


def test_random_numbers_of_the_box_equal_those_of_mmpose():
    np.random.seed(3)
    ours = FastRandomBBoxTransform._truncnorm(size=(500, 4))
    np.random.seed(3)
    theirs = RandomBBoxTransform._truncnorm(size=(500, 4))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_after_load_image_they_do_what_mmpose_does(tmp_path):
    write(tmp_path / 'a.jpg', quality=95)
    results = []
    for steps in ([LazyRandomFlip(prob=1.0), DecodeAndCrop(INPUT)], [RandomFlip(prob=1.0), TopdownAffine(INPUT)]):
        sample = dict(
            img_path=str(tmp_path / 'a.jpg'), flip_indices=[0], bbox=np.array([[50, 60, 130, 170]], np.float32)
        )
        sample.update(keypoints=np.zeros((1, 1, 2), np.float32), keypoints_visible=np.ones((1, 1), np.float32))
        for step in (LoadImage(), GetBBoxCenterScale(), *steps):
            sample = step(sample)
        results.append(sample['img'])
    np.testing.assert_array_equal(*results)


def test_file_is_read_once(tmp_path, monkeypatch):
    write(tmp_path / 'a.jpg', quality=95)
    opened, original = [], io.open
    monkeypatch.setattr('builtins.open', lambda path, *a, **k: (opened.append(str(path)), original(path, *a, **k))[1])
    LazyLoadImage()(dict(img_path=str(tmp_path / 'a.jpg')))
    assert opened == [str(tmp_path / 'a.jpg')]


def test_packing_equals_that_of_mmpose():
    image = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8)
    results = dict(
        img=image,
        keypoints=np.ones((1, 3, 2), np.float32),
        img_path='a.jpg',
        dataset_name='coco',
        raw_ann_info=dict(id=1),
    )
    ours, theirs = PackCroppedInputs()(dict(results)), PackPoseInputs()(dict(results))
    assert torch.equal(ours['inputs'], theirs['inputs']) and ours['inputs'].is_contiguous()
    assert ours['data_samples'].metainfo == dict(img_path='a.jpg', dataset_name='coco')
    assert theirs['data_samples'].metainfo == dict(ours['data_samples'].metainfo, raw_ann_info=dict(id=1))
    kept = PackCroppedInputs(meta_keys=('raw_ann_info',))(dict(results))['data_samples'].metainfo
    assert kept == dict(raw_ann_info=dict(id=1))
    assert ours['data_samples'].gt_instances.keys() == theirs['data_samples'].gt_instances.keys()


def test_preprocessed_batch_equals_that_of_mmpose():
    random = np.random.default_rng(0)
    samples = [
        PackCroppedInputs()(dict(img=random.integers(0, 255, (64, 48, 3), np.uint8), img_path=str(i))) for i in range(3)
    ]
    preprocess = PoseDataPreprocessor(mean=[120.0, 115, 100], std=[58.0, 57, 56], bgr_to_rgb=True)
    stacked, listed = (preprocess(collate(samples), True) for collate in (default_collate, pseudo_collate))
    assert torch.equal(stacked['inputs'], listed['inputs'])
    assert [sample.img_path for sample in stacked['data_samples']] == ['0', '1', '2']
