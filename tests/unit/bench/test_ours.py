from types import SimpleNamespace

import pytest
import torch

from tests.unit.bench.fitted_model import export_once, image_px_per_input_px, people, write_fitted
from vitpose.bench.bench_setup import make_setup
from vitpose.bench.contestant import LeftOut
from vitpose.bench.contestants import CONTESTANTS, make_contestants
from vitpose.bench.rounds import measure

TOLERANCE_PX = {'ours-bf16': 0.1, 'onnx-fp32': 1e-3, 'openvino-fp32': 1e-3, 'openvino-bf16': 0.5}  # of the input
CPU = torch.device('cpu')


@pytest.mark.slow
def test_keypoints_are_the_references(tmp_path, monkeypatch):
    export_once(monkeypatch)
    setup = make_setup(*write_fitted(tmp_path), tmp_path, 'cpu', batch_size=4)  # cut across images of 3 people
    made, left_out = make_contestants(setup, list(TOLERANCE_PX))  # calibrating int8 takes long
    results = measure(made, *people(), 1, CPU)
    assert results.keys() | left_out.keys() == {'ours-fp32', *TOLERANCE_PX}
    for name, result in results.items():
        assert result.largest_px / image_px_per_input_px(setup.crop_rule) < TOLERANCE_PX.get(name, 1e-6), name
        assert result.people == 6 and all(len(times) == 1 for times in result.seconds.values())


@pytest.mark.parametrize('name', ['ours-bf16', 'openvino-bf16'])
def test_emulated_bfloat16_is_left_out(name, monkeypatch):
    if name == 'openvino-bf16':
        pytest.importorskip('openvino')
    monkeypatch.setattr('vitpose.bench.ours.has_bfloat16', lambda device: False)
    with pytest.raises(LeftOut, match='bfloat16 is slower than float32'):
        CONTESTANTS[name](SimpleNamespace(device=CPU))
