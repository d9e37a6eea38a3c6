"""`PosePredictor(compile=True)`: one graph for every layout, and eager torch's heatmaps."""

from functools import partial

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

from tests.parity.test_exported_models import mixed, windowed
from tests.unit.predict.tiny_models import rendered, several, single, write
from vitpose import PosePredictor
from vitpose.predict.model import PoseModel

CASES = {
    'full attention': (single, {}),
    'windows, shift, pool, rel_pos, stride 8, token, simple decoder': (windowed, dict(flip_test=True)),
    'full every quarter, classic codec': (mixed, {}),
    'experts': (several, dict(dataset='aic')),
}


@pytest.fixture
def compiler(monkeypatch):
    """torch.compile's tracing, without the minutes of a C++ compiler; counts the graphs."""
    counter = CompileCounterWithBackend('aot_eager')
    monkeypatch.setattr(torch, 'compile', partial(torch.compile, backend=counter))
    torch._dynamo.reset()
    yield counter
    torch._dynamo.reset()


@pytest.mark.slow
@pytest.mark.parametrize('case', CASES)
def test_each_layout_is_one_graph_for_all_sizes_of_a_batch(case, compiler, tmp_path):
    make, options = CASES[case]
    files = write(make(), tmp_path)
    eager, compiled = (PoseModel(*files, device='cpu', compile=value, **options) for value in (False, True))
    width, height = eager.crop_rule.input_size
    crops = np.random.default_rng(0).integers(0, 256, (7, height, width, 3), np.uint8)
    for count in (4, 7, 2):
        expected = eager.heatmaps(crops[:count])
        assert (compiled.heatmaps(crops[:count]) - expected).abs().max() < 1e-5 * expected.abs().max()
    assert compiler.frame_count == 1
    compiled.heatmaps(crops[:1])
    assert compiler.frame_count == 2  # a single person has a graph of its own


@pytest.mark.slow
def test_the_predictor_compiles(compiler, tmp_path):
    files = write(single(), tmp_path)
    image, boxes = rendered(0)
    found = PosePredictor(*files, device='cpu', compile=True)(image, boxes)
    assert compiler.frame_count == 1
    np.testing.assert_allclose(found.keypoints, PosePredictor(*files, device='cpu')(image, boxes).keypoints)
    assert compiler.frame_count == 1
