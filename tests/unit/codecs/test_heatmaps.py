"""The codecs: encoding and decoding, types, devices, arguments, and how MMPose calls them."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS, MODELS

import vitpose_mm  # noqa: F401
from tests.unit.configs.reading import copy_config
from vitpose_mm.codecs import BatchMSRAHeatmap, BatchUDPHeatmap
from vitpose_mm.heads.batch_targets import describe_codec, same_targets

SIZES = dict(input_size=(192, 256), heatmap_size=(48, 64))
CODECS = {
    'udp': BatchUDPHeatmap(**SIZES),
    'udp, border': BatchUDPHeatmap(**SIZES, border='normalized'),
    'msra': BatchMSRAHeatmap(**SIZES, sigma=2),
    'dark': BatchMSRAHeatmap(**SIZES, sigma=2, unbiased=True),
}
all_codecs = pytest.mark.parametrize('codec', CODECS.values(), ids=CODECS.keys())
# MMPose decodes UDP heatmaps to input_size / (input_size - 1) times the encoded coordinates
FRAME = {UDPHeatmap: np.array([192 / 191, 256 / 255]), MSRAHeatmap: 1}


def encoded(codec, keypoints):
    """Heatmaps (1, K, Hm, Wm) of keypoints (K, 2) in input pixels."""
    return torch.from_numpy(codec.encode(np.asarray(keypoints, np.float32)[None])['heatmaps'])[None]


def decoded(codec, keypoints):
    """Encoded and decoded keypoints (K, 2), in the frame of the encoded ones."""
    return codec.batch_decode(encoded(codec, keypoints))[0][0][0] / next(
        FRAME[kind] for kind in type(codec).__mro__ if kind in FRAME
    )


@pytest.mark.parametrize(
    ('name', 'margin', 'error'),
    # the smallest distance from the border and the largest error, in input pixels
    [('udp', 24, 2e-3), ('udp, border', 24, 2e-3), ('udp, border', 0, 0.3), ('msra', 12, 2.01), ('dark', 24, 2e-3)],
)
def test_decode_inverts_encode(name, margin, error):
    keypoints = np.random.default_rng(0).uniform(margin, np.array([191, 255]) - margin, (400, 2))
    assert np.abs(decoded(CODECS[name], keypoints) - keypoints).max() < error


NAMES, SIDE = st.sampled_from(['udp', 'udp, border', 'msra', 'dark']), st.integers(14, 40)
PLACES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4)


@given(NAMES, st.tuples(SIDE, SIDE), st.sampled_from([2, 4]), st.sampled_from([1, 2]), PLACES)
def test_keypoints_of_any_heatmap_come_back(name, cells, stride, sigma, places):
    """Away from the border, for any size and sigma; hidden keypoints have no peak, and the score is the maximum."""
    size = tuple(stride * side for side in cells)
    kind, options = BatchMSRAHeatmap, dict(unbiased=name == 'dark')
    if name.startswith('udp'):
        kind, options = BatchUDPHeatmap, dict(border='normalized' if 'border' in name else 'mmpose')
    codec = kind(size, cells, sigma=sigma, **options)
    margin = 6 * stride
    keypoints = margin + torch.tensor(places) * (torch.tensor(size) - 1 - 2 * margin)
    visible = torch.ones(1, len(places))
    heatmaps, weights = codec.targets(keypoints[None], visible)
    assert heatmaps.shape == (1, len(places), cells[1], cells[0]) and weights.all()
    assert 0 <= heatmaps.min() and heatmaps.max() <= 1
    located, scores = codec.batch_decode(heatmaps)
    frame = np.array(size) / (np.array(size) - 1) if name.startswith('udp') else 1
    # plain MSRA rounds to whole cells, and moves by a quarter
    assert np.abs(located[0][0] / frame - keypoints.numpy()).max() < (0.76 * stride if name == 'msra' else 0.05)
    assert np.allclose(scores[0], heatmaps.amax((2, 3)))
    hidden, weights = codec.targets(keypoints[None], 0 * visible)
    assert not hidden.any() and not weights.any()
    assert (codec.peaks(hidden)[0] == -1).all()


@pytest.mark.parametrize('codec', [CODECS['udp, border'], BatchUDPHeatmap((96, 128), (24, 32), border='normalized')])
def test_correction_along_the_whole_border(codec):
    size, steps = np.array(codec.input_size), np.linspace(0, 1, 331)
    sides = [(x, side) for x in steps for side in (0, 0.003, 0.5, 1)] + [(side, y) for y in steps for side in (0.01, 1)]
    keypoints = np.array(sides) * (size - 1)
    corrected = codec.batch_decode(encoded(codec, keypoints))[0][0][0] * (size - 1) / size
    assert np.abs(corrected - keypoints).max() < 0.15


@all_codecs
def test_batch_and_single_decoding_agree(codec):
    maps = torch.rand(5, 4, 64, 48, generator=torch.Generator().manual_seed(0)) ** 8
    before = maps.clone()
    keypoints, scores = codec.batch_decode(maps)
    assert torch.equal(maps, before) and len(keypoints) == len(scores) == 5
    for one, keypoint, score in zip(maps, keypoints, scores, strict=True):
        assert keypoint.shape == (1, 4, 2) and score.shape == (1, 4)
        assert keypoint.dtype == score.dtype == np.float32
        single = codec.decode(one.numpy())
        assert np.abs(single[0] - keypoint).max() < 1e-3 and np.array_equal(single[1], score)


@all_codecs
def test_other_types_and_memory_layouts_give_the_same(codec):
    """Also a pickled codec, which loader processes and deep copies of models use; arithmetic is always fp32."""
    maps = encoded(codec, np.random.default_rng(0).uniform(0, [191, 255], (17, 2)))
    keypoints = codec.batch_decode(maps)[0][0]
    for same in (codec, pickle.loads(pickle.dumps(codec))):
        assert np.array_equal(same.batch_decode(maps.contiguous(memory_format=torch.channels_last))[0][0], keypoints)
    mirrored = codec.decode(maps[0].numpy()[:, :, ::-1])[0]
    assert np.array_equal(mirrored, codec.batch_decode(maps.flip(-1))[0][0])
    for dtype in (torch.bfloat16, torch.float16, torch.float64):
        other = maps.to(dtype).requires_grad_()
        with torch.autocast('cpu', torch.bfloat16):
            keypoints = codec.batch_decode(other)[0][0]
        assert np.array_equal(keypoints, codec.batch_decode(other.detach().float())[0][0])


@pytest.mark.parametrize('mode', [torch.inference_mode, torch.no_grad])
def test_constants_are_usable_in_every_mode(mode):
    codec = BatchUDPHeatmap((100, 140), (25, 35), border='normalized')  # a size that no other test uses
    with mode():
        codec.batch_decode(torch.rand(1, 2, 35, 25))
    maps = torch.rand(1, 2, 35, 25, requires_grad=True)
    codec.locate(maps)[0].sum().backward()
    assert maps.grad.isfinite().all()


@all_codecs
def test_heatmaps_of_another_size_are_refused(codec):
    """An empty batch is not."""
    assert codec.batch_decode(torch.zeros(0, 17, 64, 48)) == ([], [])
    for shape in ((1, 17, 48, 64), (17, 64, 48)):
        with pytest.raises(ValueError, match=r'heatmaps \(.*\): expected \(B, K, 64, 48\).*heatmap_size=\(48, 64\)'):
            codec.batch_decode(torch.zeros(shape))


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="heatmap_type='combined': BatchUDPHeatmap decodes 'gaussian'.*UDPHeatmap"):
        BatchUDPHeatmap(**SIZES, heatmap_type='combined')
    with pytest.raises(ValueError, match="border='reflect': expected 'mmpose' or 'normalized'"):
        BatchUDPHeatmap(**SIZES, border='reflect')
    for codec in (BatchUDPHeatmap, BatchMSRAHeatmap):
        with pytest.raises(ValueError, match='blur_kernel_size=10: expected an odd number of cells >= 3'):
            codec(**SIZES, sigma=2, blur_kernel_size=10)


def test_a_config_option_switches_the_border():
    """Training targets stay those of the encoder."""
    cfg = copy_config('coco/vitpose-small_coco-256x192.py')
    assert KEYPOINT_CODECS.build(cfg.model.head.decoder).border == 'mmpose'
    cfg.merge_from_dict({'model.head.decoder.border': 'normalized'})
    decoder = KEYPOINT_CODECS.build(cfg.model.head.decoder)
    (target,) = [step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'KeypointTarget']
    assert decoder.border == 'normalized' and same_targets(decoder, KEYPOINT_CODECS.build(target.encoder))


def test_codecs_are_described_and_compared_as_those_of_mmpose():
    assert same_targets(CODECS['udp'], UDPHeatmap(**SIZES)) and same_targets(CODECS['udp, border'], CODECS['udp'])
    assert same_targets(CODECS['dark'], MSRAHeatmap(**SIZES, sigma=2, unbiased=True))
    assert not same_targets(CODECS['dark'], CODECS['msra'])
    assert describe_codec(CODECS['udp, border']).endswith('blur_kernel_size=11, border=normalized, presence=False)')
    assert 'unbiased=True' in describe_codec(CODECS['dark'])


@pytest.mark.parametrize('name', ['UDPHeatmap', 'MSRAHeatmap'])
def test_a_head_decodes_with_either_codec(name):
    """MMPose's head calls the batch codec once per batch and takes its arrays; MMPose's own codec keeps working."""
    poses = {}
    feats = (torch.randn(3, 8, 16, 12, generator=torch.Generator().manual_seed(0)),)
    for prefix in ('', 'Batch'):
        torch.manual_seed(0)
        codec = dict(type=prefix + name, input_size=(48, 64), heatmap_size=(12, 16), sigma=2)
        assert KEYPOINT_CODECS.build(codec).support_batch_decoding is bool(prefix)
        head = dict(type='HeatmapHead', in_channels=8, out_channels=5, deconv_out_channels=None, decoder=codec)
        with torch.no_grad():
            poses[prefix] = MODELS.build(head).eval().predict(feats, [])
    assert len(poses['']) == len(poses['Batch']) == 3
    for one, other in zip(poses[''], poses['Batch'], strict=True):
        assert one.keypoints.shape == other.keypoints.shape == (1, 5, 2)
        assert np.array_equal(one.keypoint_scores, other.keypoint_scores)
        assert np.median(np.abs(one.keypoints - other.keypoints)) < 1e-3
