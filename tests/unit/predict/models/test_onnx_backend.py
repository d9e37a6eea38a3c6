"""Devices and threads of ONNX Runtime: what is asked for, and what a session then uses."""

import pytest

from tests.unit.predict.tiny_files import write_dots
from vitpose.predict.models.onnx_backend import CPU, PROVIDERS, OnnxNetwork, choose_providers, read_thread_count

onnxruntime = pytest.importorskip('onnxruntime')
CUDA, COREML, DIRECTML = PROVIDERS.values()


@pytest.fixture
def gpu_build(monkeypatch):
    """Let ONNX Runtime claim all devices; its sessions fall back to the CPU, as without cuDNN."""
    session = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [*PROVIDERS.values(), CPU])
    monkeypatch.setattr(onnxruntime, 'InferenceSession', lambda *words, providers: session(*words, providers=[CPU]))


@pytest.mark.parametrize(
    ('device', 'first'),
    [
        *(('cpu', []), ('auto', [(CUDA, {})]), ('cuda', [(CUDA, {})]), ('cuda:0', [(CUDA, {'device_id': '0'})])),
        *(('coreml', [(COREML, {})]), ('directml', [(DIRECTML, {})]), ('directml:1', [(DIRECTML, {'device_id': '1'})])),
    ],
)
def test_providers_of_a_device(gpu_build, device, first):
    assert choose_providers(onnxruntime, device) == [*first, CPU]


@pytest.mark.parametrize(
    ('device', 'remedy'),
    [('cuda:1', 'install onnxruntime-gpu'), ('coreml', 'macOS'), ('directml', 'on Windows, install')],
)
def test_a_device_that_this_build_lacks_is_refused(monkeypatch, tmp_path, device, remedy):
    monkeypatch.setattr(onnxruntime, 'get_available_providers', lambda: [CPU])
    with pytest.raises(ValueError, match=f"device='{device}': this ONNX Runtime has {CPU}; .*{remedy}.*or pass 'cpu'"):
        OnnxNetwork(write_dots(tmp_path / 'a.onnx'), device)
    assert choose_providers(onnxruntime, 'auto') == [CPU]


def test_nothing_is_reported_to_the_authors_of_onnx_runtime(monkeypatch):
    calls = []
    monkeypatch.setattr(onnxruntime, 'disable_telemetry_events', lambda: calls.append(1))
    choose_providers(onnxruntime, 'cpu')
    assert calls


def test_a_session_that_fell_back_is_not_reported_as_cuda(gpu_build, tmp_path, monkeypatch):
    file = write_dots(tmp_path / 'a.onnx')
    assert OnnxNetwork(file, 'auto').device == OnnxNetwork(file, 'cpu').device == 'cpu'
    for device in ('cuda:1', 'coreml', 'directml'):
        with pytest.raises(ValueError, match=f"device='{device}': .*fell back to the CPU .*pass 'cpu'"):
            OnnxNetwork(file, device)
    monkeypatch.setattr(
        onnxruntime.InferenceSession(file, providers=[CPU]).__class__, 'get_providers', lambda _: [CUDA, COREML]
    )
    devices = dict(auto='cuda', cpu='cpu', cuda='cuda', coreml='coreml') | {'cuda:1': 'cuda:1'}
    assert {device: OnnxNetwork(file, device).device for device in devices} == devices


@pytest.mark.parametrize(
    'device', ['cuda:', 'cuda:x', 'cuda:-1', 'cuda1', 'CUDA', 'gpu', 'cuda:1:2', '', 'mps', 'coreml:1']
)
def test_unknown_devices(gpu_build, device):
    with pytest.raises(ValueError, match=r"unknown device; expected 'auto', 'cpu', 'cuda' \(or .* or 'directml'"):
        choose_providers(onnxruntime, device)


@pytest.mark.parametrize(('text', 'count'), [('2,1', 2), (' 3 ', 3), ('4', 4), ('', None), ('0', None), (None, None)])
def test_openmp_allows_a_list_of_thread_counts(text, count, monkeypatch, tmp_path):
    monkeypatch.delenv('OMP_NUM_THREADS') if text is None else monkeypatch.setenv('OMP_NUM_THREADS', text)
    assert read_thread_count() == count
    options = OnnxNetwork(write_dots(tmp_path / 'a.onnx'), 'cpu')._session.get_session_options()
    assert options.intra_op_num_threads == (count or 0)
    assert options.get_session_config_entry('session.intra_op.allow_spinning') == '0'


@pytest.mark.parametrize('text', ['two', '-1', '1.5', ';1'])
def test_other_thread_counts_are_refused_by_name(text, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', text)
    with pytest.raises(ValueError, match=f"OMP_NUM_THREADS='{text}': expected an integer >= 1, or a list such as 2,1"):
        read_thread_count()
