"""`vitpose app`: what it says when it cannot start."""

import pytest

from tests.unit.predict.tiny_files import write_dots


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['none.onnx'], 'none.onnx: no such file'),
        (['dots.onnx', '--detector', 'a', 'b', 'c'], 'expected one or two words'),
        (['--detector', 'rtmdet-m', 'dots.onnx'], 'put FILE before it: dots.onnx --detector rtmdet-m'),
        (['dots.txt'], 'expected a checkpoint'),
        (['dots.onnx', '--port', '70000'], '--port 70000: expected 1 to 65535'),
        (['heatmaps.onnx'], 'heatmaps.onnx returns heatmaps'),
    ],
)
def test_no_page_without_a_usable_model(refuses, words, message, tmp_path, monkeypatch):
    pytest.importorskip('gradio')
    monkeypatch.chdir(tmp_path)
    for name in ('GRADIO_TEMP_DIR', 'GRADIO_ANALYTICS_ENABLED', 'OPENCV_IO_MAX_IMAGE_PIXELS'):
        monkeypatch.setenv(name, '')  # restored afterwards
    write_dots(tmp_path / 'dots.onnx')
    write_dots(tmp_path / 'heatmaps.onnx', outputs='heatmaps')
    (tmp_path / 'dots.txt').touch()
    refuses('app', *words, message=message)
