"""ViT exported to ONNX gives the same output in ONNX Runtime as in torch, also for other batch sizes."""

import numpy as np
import pytest
import torch
from mmengine.utils import digit_version
from mmpose.registry import MODELS

import vitpose_mm  # noqa: F401

WINDOWS = dict(window_size=(4, 3), shift=True, pool=True)
# 72x56 at stride 8 is a grid of 9x7 tokens, which is not divisible by the windows
EXPERTS = dict(experts=dict(names=['coco', 'aic', 'mpii'], expert_dim=16))
LAYOUTS = {
    'full': dict(attention='full'),
    'window, shift, pool': dict(attention=WINDOWS),
    'window, shift, pool, rel_pos': dict(attention=dict(WINDOWS, rel_pos='decomposed')),
    'full every quarter': dict(attention=dict(WINDOWS, full_every_quarter=True)),
    'full every quarter, token': dict(attention=dict(WINDOWS, full_every_quarter=True), knowledge_token=dict(width=20)),
    'full, experts': dict(attention='full', **EXPERTS),
    'window, shift, pool, experts': dict(attention=WINDOWS, **EXPERTS),
}


@pytest.mark.skipif(
    digit_version(torch.__version__) < digit_version('2.6'),
    reason='exporting windowed attention with a dynamic batch size needs torch 2.6 or newer',
)
@pytest.mark.parametrize(
    'layout',
    [
        pytest.param(layout, id=name, marks=[pytest.mark.slow] * (name != 'window, shift, pool'))
        for name, layout in LAYOUTS.items()
    ],
)
def test_onnx_runtime_gives_the_same_output_at_any_batch_size(layout, tmp_path):
    import onnxruntime

    torch.manual_seed(0)
    model = MODELS.build(
        dict(type='ViT', arch=dict(depth=4, embed_dim=48, num_heads=4), img_size=(72, 56), stride=8, **layout)
    ).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)  # relative position tables are initialised to zero
    file = tmp_path / 'vit.onnx'
    # with experts, a second input gives the dataset of each image
    names = ['image', 'route'] if model.experts else ['image']
    inputs = (torch.randn(2, 3, 72, 56), torch.tensor([0, 1]))[: len(names)]
    torch.onnx.export(
        model,
        inputs,
        file,
        dynamo=True,
        input_names=names,
        dynamic_shapes=({0: torch.export.Dim('batch')},) * len(names),
        verbose=False,
    )
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    for route in ([2], [1, 2, 1]):
        inputs = (torch.randn(len(route), 3, 72, 56), torch.tensor(route))[: len(names)]
        (feature,) = session.run(None, {name: value.numpy() for name, value in zip(names, inputs, strict=True)})
        with torch.no_grad():
            expected = model(*inputs)[0].numpy()
        # outputs are of order 1, where fp32 has a precision of 6e-8; the two runtimes sum in a different order
        np.testing.assert_allclose(feature, expected, atol=1e-4, rtol=0)
