"""`vitpose app`: what it says when it cannot start."""

import pytest

from tests.unit.predict.tiny_files import write_dots
from vitpose.cli.main import main


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ([], '`vitpose demo` trains this model'),
        (['none.onnx'], 'none.onnx: no such file'),
        (['dots.onnx', '--detector', 'a', 'b', 'c'], 'expected one or two words'),
        (['dots.txt'], 'expected a checkpoint'),
        (['heatmaps.onnx'], 'it returns heatmaps'),
    ],
)
def test_no_page_without_a_usable_model(arguments, message, tmp_path, monkeypatch, capsys):
    pytest.importorskip('gradio')
    monkeypatch.chdir(tmp_path)
    for name in ('GRADIO_TEMP_DIR', 'GRADIO_ANALYTICS_ENABLED', 'OPENCV_IO_MAX_IMAGE_PIXELS'):
        monkeypatch.setenv(name, '')  # restored afterwards
    write_dots(tmp_path / 'dots.onnx')
    write_dots(tmp_path / 'heatmaps.onnx', outputs='heatmaps')
    (tmp_path / 'dots.txt').touch()
    assert main(['app', *arguments]) == 2
    assert message in capsys.readouterr().err
