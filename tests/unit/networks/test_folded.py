"""Folded decoders give the heatmaps of the decoders, for any running statistics, size and upsampling."""

import pytest
import torch
from torch import nn

from vitpose_mm.networks.decoders import classic_decoder, simple_decoder
from vitpose_mm.networks.folded import FoldedClassicDecoder, FoldedSimpleDecoder, fold

FOLDED = {classic_decoder: FoldedClassicDecoder, simple_decoder: FoldedSimpleDecoder}


@pytest.mark.parametrize('make', FOLDED)
@pytest.mark.parametrize('upsampling', [2, 4, 8])
@torch.no_grad()
def test_heatmaps_are_those_of_the_decoder(make, upsampling):
    torch.manual_seed(upsampling)
    decoder = make(12, 5, upsampling).eval()
    for norm in (module for module in decoder.modules() if isinstance(module, nn.BatchNorm2d)):
        norm.running_var.uniform_(0.3, 3)
        for value in (norm.running_mean, norm.weight, norm.bias):
            value.normal_()
    folded = fold(decoder, 'cuda')
    assert type(folded) is FOLDED[make] and not any(parameter.requires_grad for parameter in folded.parameters())
    for size in ((16, 12), (5, 7), (1, 1)):
        feats = torch.randn(2, 12, *size)
        torch.testing.assert_close(folded(feats), decoder(feats), rtol=1e-5, atol=2e-5)


def test_on_a_cpu_the_classic_decoder_is_faster_as_it_is():
    assert fold(classic_decoder(12, 5), 'cpu') is None
    assert isinstance(fold(simple_decoder(12, 5), 'cpu'), FoldedSimpleDecoder)
