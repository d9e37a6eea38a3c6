"""Devices and threads of ONNX Runtime: what is asked for, and what a session then uses."""

import onnxruntime
import pytest

from tests.unit.predict.tiny_files import write_dots
from vitpose.predict.models.onnx_backend import CUDA, OnnxNetwork, choose_providers, read_thread_count

CPU = 'CPUExecutionProvider'


@pytest.fixture
def gpu_build(monkeypatch):
    """Let ONNX Runtime claim CUDA; its sessions fall back to the CPU, as without cuDNN."""
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CUDA, CPU])
    monkeypatch.setattr(onnxruntime, 'InferenceSession', lambda *words, providers: session(*words, providers=[CPU]))


@pytest.mark.parametrize(
    ('device', 'options'), [('cpu', None), ('auto', {}), ('cuda', {}), ('cuda:0', {'device_id': '0'})]
)
def test_providers_of_a_device(gpu_build, device, options):
    assert choose_providers(onnxruntime, device) == [*([] if options is None else [(CUDA, options)]), CPU]


def test_nothing_is_reported_to_the_authors_of_onnx_runtime(monkeypatch):
    calls = []
    monkeypatch.setattr(onnxruntime, 'disable_telemetry_events', lambda: calls.append(1))
    choose_providers(onnxruntime, 'cpu')
    assert calls


def test_a_session_that_fell_back_is_not_reported_as_cuda(gpu_build, tmp_path, monkeypatch):
    file = write_dots(tmp_path / 'a.onnx')
    assert OnnxNetwork(file, 'auto').device == OnnxNetwork(file, 'cpu').device == 'cpu'
    with pytest.raises(ValueError, match=r"device='cuda:1': .*fell back to the CPU .*pass 'cpu'"):
        OnnxNetwork(file, 'cuda:1')
    monkeypatch.setattr(
        onnxruntime.InferenceSession(file, providers=[CPU]).__class__, 'get_providers', lambda _: [CUDA]
    )
    assert [OnnxNetwork(file, device).device for device in ('auto', 'cuda', 'cuda:1')] == ['cuda', 'cuda', 'cuda:1']


@pytest.mark.parametrize('device', ['cuda:', 'cuda:x', 'cuda:-1', 'cuda1', 'CUDA', 'gpu', 'cuda:1:2', ''])
def test_unknown_devices(gpu_build, device):
    with pytest.raises(ValueError, match=r"unknown device; expected 'auto', 'cpu' or 'cuda' \(or 'cuda:1'"):
        choose_providers(onnxruntime, device)


@pytest.mark.parametrize(('text', 'count'), [('2,1', 2), (' 3 ', 3), ('4', 4), ('', None), ('0', None), (None, None)])
def test_openmp_allows_a_list_of_thread_counts(text, count, monkeypatch, tmp_path):
    monkeypatch.delenv('OMP_NUM_THREADS') if text is None else monkeypatch.setenv('OMP_NUM_THREADS', text)
    assert read_thread_count() == count
    OnnxNetwork(write_dots(tmp_path / 'a.onnx'), 'cpu')


@pytest.mark.parametrize('text', ['two', '-1', '1.5', ';1'])
def test_other_thread_counts_are_refused_by_name(text, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', text)
    with pytest.raises(ValueError, match=f"OMP_NUM_THREADS='{text}': expected an integer >= 1, or a list such as 2,1"):
        read_thread_count()
