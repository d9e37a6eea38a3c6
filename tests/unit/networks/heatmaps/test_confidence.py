"""Calibrated scores: maps, stored weights, and that they belong to one model."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vitpose_mm.networks.heatmaps.codecs import UDPCodec
from vitpose_mm.networks.heatmaps.confidence import (
    Confidence,
    PeakMap,
    Scores,
    confidence_inputs,
    fingerprint,
    read_confidence,
    sample_maps,
)


def test_maps_are_sampled_as_torch_samples_them():
    maps, places = torch.rand(2, 3, 6, 4), torch.rand(2, 5, 2)
    expected = F.grid_sample(maps, places[:, :, None] * 2 - 1, align_corners=False, padding_mode='border')
    torch.testing.assert_close(sample_maps(maps, places), expected[..., 0].transpose(1, 2))


def test_a_peak_map_is_piecewise_linear():
    table = torch.tensor([[0.1, 0.5, 0.9], [0.0, 0.2, 1.0], [0.1, 0.1, 0.7], [0.3, 0.4, 0.5]])
    peaks = torch.rand(4, 3) * 1.4 - 0.2
    scores = PeakMap(table).map(peaks)
    for values, row in zip(scores, table[1:], strict=True):
        np.testing.assert_allclose(values, np.interp(peaks, table[0], row), atol=1e-6)
    for wrong in (table[:3], table.flip(1), table[:, :1]):
        with pytest.raises(ValueError, match=r'expected \(4, M\)'):
            PeakMap(wrong)


def test_expected_oks_weights_similarities_by_probabilities():
    scores = Scores(torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([[0.8, 0.2], [0.8, 0.2]]), torch.ones(2, 2))
    np.testing.assert_allclose(scores.expected_oks, [0.8, 0.5], atol=1e-5)


def test_weights_are_read_for_the_model_that_they_were_made_for():
    torch.manual_seed(0)
    module = Confidence(6, 3, width=8).eval()
    weights = {'backbone.a': torch.rand(2), 'head.final_layer.weight': torch.rand(3)}
    assert read_confidence(weights) is None
    own = module.state_dict() | {'fingerprint': fingerprint(weights)}
    for prefix, dataset in (('head.confidence.', None), ('head.heads.coco.confidence.', 'coco')):
        stored = weights | {prefix + key: value for key, value in own.items()}
        found = read_confidence(stored, dataset)
        codec, maps = UDPCodec((16, 24), (8, 12)), torch.rand(2, 3, 12, 8)
        inputs = codec, maps, torch.rand(2, 6, 3, 2), codec.locate(maps)
        torch.testing.assert_close(found(*inputs), module(*inputs))
        assert not found.training and confidence_inputs(*inputs)[0].shape == (2, 3, 6 + 7 + 3)
        with pytest.raises(ValueError, match='calibrated for other weights'):
            read_confidence(stored | {'backbone.a': stored['backbone.a'] + 1}, dataset)
        with pytest.raises(ValueError, match='damaged'):
            read_confidence({key: value for key, value in stored.items() if 'mlp.2' not in key}, dataset)
    stored = {
        f'head.confidence.{key}': value for key, value in PeakMap(torch.rand(4, 4).cumsum(1)).state_dict().items()
    }
    assert isinstance(read_confidence(stored), PeakMap)
