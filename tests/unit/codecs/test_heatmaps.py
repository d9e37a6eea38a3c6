"""The codecs: encoding and decoding, types, devices, arguments, and how MMPose calls them."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from mmengine.config import Config
from mmpose.codecs import MSRAHeatmap, UDPHeatmap
from mmpose.registry import KEYPOINT_CODECS, MODELS

import vitpose_mm  # noqa: F401
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
    return codec.batch_decode(encoded(codec, keypoints))[0][0][0] / FRAME[type(codec).__mro__[2]]


@pytest.mark.parametrize(
    ('name', 'margin', 'error'),
    # the smallest distance from the border and the largest error, in input pixels
    [('udp', 24, 2e-3), ('udp, border', 24, 2e-3), ('udp, border', 0, 0.3), ('msra', 12, 2.01), ('dark', 24, 2e-3)],
)
def test_decode_inverts_encode(name, margin, error):
    random = np.random.default_rng(0)
    keypoints = random.uniform(margin, np.array([191, 255]) - margin, (400, 2))
    assert np.abs(decoded(CODECS[name], keypoints) - keypoints).max() < error


@given(
    st.sampled_from(['udp', 'msra', 'dark']),
    st.tuples(st.integers(14, 40), st.integers(14, 40)),
    st.sampled_from([2, 4]),
    st.sampled_from([1, 2]),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=4),
)
def test_keypoints_of_any_heatmap_come_back(name, cells, stride, sigma, places):
    """Away from the border, for any size and sigma; hidden keypoints have no peak, and the score is the maximum."""
    size = tuple(stride * side for side in cells)
    kind = BatchUDPHeatmap if name == 'udp' else BatchMSRAHeatmap
    more = {} if name == 'udp' else dict(unbiased=name == 'dark')
    codec = kind(size, cells, sigma=sigma, **more)
    margin = 6 * stride
    keypoints = margin + torch.tensor(places) * (torch.tensor(size) - 1 - 2 * margin)
    visible = torch.ones(1, len(places))
    heatmaps, weights = codec.targets(keypoints[None], visible)
    assert heatmaps.shape == (1, len(places), cells[1], cells[0]) and weights.all()
    assert 0 <= heatmaps.min() and heatmaps.max() <= 1
    found, scores = codec.batch_decode(heatmaps)
    frame = np.array(size) / (np.array(size) - 1) if name == 'udp' else 1
    # plain MSRA rounds to whole cells, and moves by a quarter
    assert np.abs(found[0][0] / frame - keypoints.numpy()).max() < (0.76 * stride if name == 'msra' else 0.05)
    assert np.allclose(scores[0], heatmaps.amax((2, 3)))
    hidden, weights = codec.targets(keypoints[None], 0 * visible)
    assert not hidden.any() and not weights.any()
    assert (codec.peaks(hidden)[0] == -1).all()


def test_border_bias_of_mmpose_and_its_correction():
    """At x = 0.5, 2 and 190 of 192 MMPose is off by up to 4 pixels."""
    keypoints = np.array([(x, y) for x in (0, 0.5, 2, 5, 10, 60, 181, 186, 189, 190, 191) for y in (0.5, 128, 253)])
    bias = [np.abs(decoded(CODECS[name], keypoints) - keypoints).max() for name in ('udp', 'udp, border')]
    assert bias[0] > 4 and bias[1] < 0.3


@pytest.mark.parametrize('codec', [CODECS['udp, border'], BatchUDPHeatmap((96, 128), (24, 32), border='normalized')])
def test_correction_along_the_whole_border(codec):
    (width, height), steps = codec.input_size, np.linspace(0, 1, 331)
    sides = [(x, side) for x in steps for side in (0, 0.003, 0.5, 1)] + [(side, y) for y in steps for side in (0.01, 1)]
    keypoints = np.array(sides) * [width - 1, height - 1]
    found = codec.batch_decode(encoded(codec, keypoints))[0][0][0] * [(width - 1) / width, (height - 1) / height]
    assert np.abs(found - keypoints).max() < 0.3


@all_codecs
def test_batch_and_single_decoding_agree(codec):
    maps = torch.rand(5, 4, 64, 48, generator=torch.Generator().manual_seed(0)) ** 8
    before = maps.clone()
    keypoints, scores = codec.batch_decode(maps)
    assert torch.equal(maps, before)
    assert len(keypoints) == len(scores) == 5
    for one, keypoint, score in zip(maps, keypoints, scores, strict=True):
        assert keypoint.shape == (1, 4, 2) and score.shape == (1, 4)
        assert keypoint.dtype == score.dtype == np.float32
        single = codec.decode(one.numpy())
        assert np.abs(single[0] - keypoint).max() < 1e-3 and np.array_equal(single[1], score)


@all_codecs
@pytest.mark.parametrize('dtype', [torch.bfloat16, torch.float16, torch.float64])
def test_arithmetic_is_fp32(codec, dtype):
    """Heatmaps in half precision, and decoding under autocast, give what their values give in fp32."""
    keypoints = np.random.default_rng(0).uniform(0, [191, 255], (17, 2))
    maps = encoded(codec, keypoints).to(dtype).requires_grad_()
    expected = codec.batch_decode(maps.detach().float())[0][0]
    with torch.autocast('cpu', torch.bfloat16):
        found = codec.batch_decode(maps)[0][0]
    assert np.array_equal(found, expected)


@all_codecs
def test_non_contiguous_heatmaps_are_decoded(codec):
    maps = encoded(codec, np.random.default_rng(0).uniform(10, 180, (17, 2)))
    last = maps.contiguous(memory_format=torch.channels_last)
    assert np.array_equal(codec.batch_decode(last)[0][0], codec.batch_decode(maps)[0][0])
    mirrored = codec.decode(maps[0].numpy()[:, :, ::-1])[0]
    assert np.array_equal(mirrored, codec.batch_decode(maps.flip(-1))[0][0])


@pytest.mark.parametrize('mode', [torch.inference_mode, torch.no_grad])
def test_constants_are_usable_in_every_mode(mode):
    codec = BatchUDPHeatmap((100, 140), (25, 35), border='normalized')  # a size that no other test uses
    with mode():
        codec.batch_decode(torch.rand(1, 2, 35, 25))
    maps = torch.rand(1, 2, 35, 25, requires_grad=True)
    codec.locate(maps)[0].sum().backward()
    assert maps.grad.isfinite().all()


def test_an_empty_batch_gives_empty_lists():
    assert CODECS['udp'].batch_decode(torch.zeros(0, 17, 64, 48)) == ([], [])


@all_codecs
def test_heatmaps_of_another_size_are_refused(codec):
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


def test_a_config_option_switches_the_border(root):
    """Training targets stay those of the encoder."""
    cfg = Config.fromfile(root / 'configs/coco/vitpose-small_coco-256x192.py')
    assert KEYPOINT_CODECS.build(cfg.model.head.decoder).border == 'mmpose'
    cfg.merge_from_dict({'model.head.decoder.border': 'normalized'})
    decoder = KEYPOINT_CODECS.build(cfg.model.head.decoder)
    (target,) = [step for step in cfg.train_dataloader.dataset.pipeline if step.type == 'KeypointTarget']
    assert decoder.border == 'normalized' and same_targets(decoder, KEYPOINT_CODECS.build(target.encoder))


def test_codecs_are_described_and_compared_as_those_of_mmpose():
    assert same_targets(CODECS['udp'], UDPHeatmap(**SIZES)) and same_targets(CODECS['udp, border'], CODECS['udp'])
    assert same_targets(CODECS['dark'], MSRAHeatmap(**SIZES, sigma=2, unbiased=True))
    assert not same_targets(CODECS['dark'], CODECS['msra'])
    assert describe_codec(CODECS['udp, border']).endswith('blur_kernel_size=11, border=normalized)')
    assert 'unbiased=True' in describe_codec(CODECS['dark'])


@all_codecs
def test_codecs_can_be_pickled(codec):
    """As loader processes and deep copies of models need."""
    maps = encoded(codec, [[20, 30], [100, 200]])
    codec.batch_decode(maps)
    assert np.array_equal(pickle.loads(pickle.dumps(codec)).batch_decode(maps)[0][0], codec.batch_decode(maps)[0][0])


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
