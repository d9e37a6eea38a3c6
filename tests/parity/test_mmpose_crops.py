"""The training crops equal MMPose's, or where a JPEG is decoded at reduced scale, are closer to filtered ones."""

import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import default_collate, pseudo_collate
from mmengine.registry import init_default_scope
from mmpose.datasets import transforms as mmpose
from mmpose.models.data_preprocessors import PoseDataPreprocessor
from mmpose.registry import DATASETS
from mmpose.structures.bbox import get_udp_warp_matrix
from PIL import Image

from vitpose_mm.datasets import transforms as fast
from vitpose_mm.estimators import DeviceCropPreprocessor

INPUT = (96, 128)
HEIGHT, WIDTH = 331, 450
FORMATS = {
    '4:4:4.jpg': dict(quality=95, subsampling=0),
    '4:2:0.jpg': dict(quality=90, subsampling=2),
    'progressive.jpg': dict(progressive=True, quality=90),
    'gray.jpg': dict(mode='L', quality=90),
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


def write(path):
    options, image = dict(FORMATS[path.name]), picture()
    mode, orientation = options.pop('mode', 'RGB'), options.pop('orientation', None)
    if mode == 'I;16':
        cv2.imwrite(str(path), image.astype(np.uint16) * 257)
        return
    if orientation:
        options['exif'] = Image.Exif()
        options['exif'][0x0112] = orientation
    Image.fromarray(image).convert(mode).save(path, **options)


def apply(path, box, load, *steps):
    sample = dict(img_path=str(path), bbox=np.array([box], np.float32), flip_indices=[1, 0, 3, 2])
    keypoints = np.random.default_rng(1).uniform(0, 300, (1, 4, 2)).astype(np.float32)
    sample.update(keypoints=keypoints, keypoints_visible=np.ones((1, 4), np.float32))
    for step in (load, mmpose.GetBBoxCenterScale(), *steps):
        sample = step(sample)
    return sample


def crops(path, box, seed, udp=True, reduced=True, **turning):
    """Ours and MMPose's sample of the same random numbers."""
    turn, crop = fast.FastRandomBBoxTransform(**turning), fast.DecodeAndCrop(INPUT, udp, reduced)
    np.random.seed(seed)
    ours = apply(path, box, fast.LazyLoadImage(), fast.LazyRandomFlip(), turn, crop)
    turn, crop = mmpose.RandomBBoxTransform(**turning), mmpose.TopdownAffine(INPUT, udp)
    np.random.seed(seed)
    return ours, apply(path, box, mmpose.LoadImage(), mmpose.RandomFlip(), turn, crop)


@pytest.fixture(params=FORMATS)
def file(request, tmp_path):
    write(tmp_path / request.param)
    return tmp_path / request.param


@pytest.mark.parametrize('udp', [True, False])
def test_crops_equal_those_of_mmpose(file, udp):
    flips = []
    for seed in range(12):
        left, top = np.random.default_rng(seed).integers(-40, 200, 2)
        ours, theirs = crops(file, (left, top, left + 100, top + 150), seed, udp, scale_factor=(0.7, 1.0))
        assert ours['img'].dtype == np.uint8 and ours['img'].flags['C_CONTIGUOUS']
        assert np.abs(ours['img'].astype(int) - theirs['img']).max() <= 1
        for key in ('transformed_keypoints', 'bbox_center', 'bbox_scale', 'input_center', 'input_scale'):
            np.testing.assert_allclose(ours[key], theirs[key], rtol=1e-5, atol=1e-4)
        for key in ('flip', 'flip_direction', 'input_size', 'img_shape', 'ori_shape'):
            assert ours[key] == theirs[key]
        assert 'image_file' not in ours
        flips.append(ours['flip'])
    assert any(flips) and not all(flips)


@pytest.mark.parametrize('udp', [True, False])
def test_without_reduced_decoding_every_crop_is_exactly_that_of_mmpose(file, udp):
    """Also of crops that shrink the image to an eighth."""
    for seed, scale in enumerate([0.3, 0.6, 1.0, 1.0, 2.0, 2.0, 8.0, 8.0]):
        turning = dict(scale_factor=(scale, scale * 1.1))
        ours, theirs = crops(file, (30, 10, 400, 320), seed, udp, reduced=False, **turning)
        for key in ('img', 'transformed_keypoints'):
            np.testing.assert_array_equal(ours[key], theirs[key])


@pytest.mark.parametrize('direction', ['horizontal', 'vertical', 'diagonal'])
def test_every_flip(direction, tmp_path):
    write(tmp_path / '4:4:4.jpg')
    box, flip, crop = [50, 60, 130, 170], fast.LazyRandomFlip(1.0, direction), fast.DecodeAndCrop(INPUT, True)
    lazy, loaded, theirs = (
        apply(tmp_path / '4:4:4.jpg', box, *steps)['img']
        for steps in (
            (fast.LazyLoadImage(), flip, crop),
            (mmpose.LoadImage(), flip, crop),
            (mmpose.LoadImage(), mmpose.RandomFlip(1.0, direction), mmpose.TopdownAffine(INPUT, True)),
        )
    )
    assert np.abs(lazy.astype(int) - theirs).max() <= 1
    np.testing.assert_array_equal(loaded, theirs)


@pytest.mark.parametrize('name', ['4:4:4.jpg', '4:2:0.jpg', 'progressive.jpg', 'gray.jpg', 'upright.jpg'])
def test_shrunk_crops_are_closer_to_filtered_ones(name, tmp_path):
    """The filtered crop averages 8 x 8 samples per pixel of the crop, from the whole image."""
    write(tmp_path / name)
    whole, squares = cv2.imread(str(tmp_path / name)), []
    for seed in range(8):
        pair = crops(tmp_path / name, (30, 10, 400, 320), seed, scale_factor=(0.9, 1.4), shift_prob=0.0)
        squares.append([((sample['img'] - filtered(whole, pair[1])) ** 2).mean() for sample in pair])
    ours, theirs = np.mean(squares, 0)
    assert ours < min(0.8 * theirs, 150)


def filtered(whole, sample):
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
    ours = [fast.LazyLoadImage(), mmpose.GetBBoxCenterScale(), fast.DecodeAndCrop(size, True, reduced)]
    theirs = [mmpose.LoadImage(), mmpose.GetBBoxCenterScale(), mmpose.TopdownAffine(size, True)]
    for reader, folder in (('Coco', 'coco'), ('Aic', 'aic'), ('AP10K', 'ap10k')):
        files = dict(data_root=str(photographs / folder), ann_file=f'test_{folder}.json', data_prefix=dict(img=''))
        training, testing = (
            DATASETS.build(dict(type=f'Checked{reader}Dataset', pipeline=pipeline, **files))
            for pipeline in (ours, theirs)
        )
        distances += [np.abs(training[i]['img'].astype(int) - testing[i]['img']).mean() for i in range(len(training))]
    differing = [distance for distance in distances if distance]
    assert (len(distances), len(differing)) == (23, 10 if reduced else 0)
    assert not reduced or (np.mean(differing).round(1), max(differing).round(1)) == (2.7, 6.4)


def test_file_is_read_once(tmp_path, monkeypatch):
    path, opened = str(tmp_path / '4:4:4.jpg'), []
    write(tmp_path / '4:4:4.jpg')
    monkeypatch.setattr('builtins.open', lambda path, *a, real=open, **k: opened.append(path) or real(path, *a, **k))
    fast.LazyLoadImage()(dict(img_path=path))
    assert list(map(str, opened)) == [path]


def test_packing_equals_that_of_mmpose():
    image, keypoints = np.random.default_rng(0).integers(0, 255, (64, 48, 3), np.uint8), np.ones((1, 3, 2), np.float32)
    results = dict(img=image, keypoints=keypoints, img_path='a.jpg', dataset_name='coco', raw_ann_info=dict(id=1))
    ours, theirs = fast.PackCroppedInputs()(dict(results)), mmpose.PackPoseInputs()(dict(results))
    assert torch.equal(ours['inputs'], theirs['inputs']) and ours['inputs'].is_contiguous()
    assert ours['data_samples'].metainfo == dict(img_path='a.jpg', dataset_name='coco')
    assert theirs['data_samples'].metainfo == dict(ours['data_samples'].metainfo, raw_ann_info=dict(id=1))
    kept = fast.PackCroppedInputs(meta_keys=('raw_ann_info',))(dict(results))['data_samples'].metainfo
    assert kept == dict(raw_ann_info=dict(id=1))
    assert ours['data_samples'].gt_instances.keys() == theirs['data_samples'].gt_instances.keys()


@pytest.mark.parametrize('reduced', [True, False])
def test_crops_on_the_device_are_those_of_the_pipeline(file, reduced):
    """Flipped, rotated, enlarged and shrunk to an eighth; keypoints and metainfo are equal."""
    batches = []
    for device_crop, collate in ((False, default_collate), (True, pseudo_collate)):
        samples = []
        for seed, scale in enumerate([0.3, 0.6, 1.0, 2.0, 8.0]):
            turn = fast.FastRandomBBoxTransform(scale_factor=(scale, scale * 1.1), rotate_prob=1.0)
            crop = fast.DecodeAndCrop(INPUT, True, reduced, device_crop)
            steps = (
                fast.LazyLoadImage(),
                fast.LazyRandomFlip(),
                turn,
                crop,
                fast.PackCroppedInputs(pack_transformed=True),
            )
            np.random.seed(seed)
            samples.append(apply(file, (30, 10, 400, 320), *steps))
        batches.append(DeviceCropPreprocessor(mean=[1, 2, 3], std=[2, 2, 2], bgr_to_rgb=True)(collate(samples)))
    theirs, ours = (batch['inputs'] for batch in batches)
    assert ours.shape == theirs.shape == (5, 3, *INPUT[::-1])
    assert (ours - theirs).abs().max() <= 0.5 and theirs.std() > 10  # of a gray level 1, divided by 2
    for mine, other in zip(batches[1]['data_samples'], batches[0]['data_samples'], strict=True):
        for key, value in other.metainfo.items():
            np.testing.assert_array_equal(mine.metainfo[key], value)
        for key, value in other.gt_instances.items():
            np.testing.assert_array_equal(mine.gt_instances[key], value)
    if device_crop:
        del samples[0]['data_samples'].device_crop
        with pytest.raises(ValueError, match='a batch has crops and whole images'):
            DeviceCropPreprocessor()(pseudo_collate(samples))


def test_preprocessed_batch_equals_that_of_mmpose():
    images = np.random.default_rng(0).integers(0, 255, (3, 64, 48, 3), np.uint8)
    samples = [fast.PackCroppedInputs()(dict(img=image, img_path=str(i))) for i, image in enumerate(images)]
    preprocess = PoseDataPreprocessor(mean=[120.0, 115, 100], std=[58.0, 57, 56], bgr_to_rgb=True)
    stacked, listed = (preprocess(collate(samples), True) for collate in (default_collate, pseudo_collate))
    assert torch.equal(stacked['inputs'], listed['inputs'])
    assert [sample.img_path for sample in stacked['data_samples']] == ['0', '1', '2']
