"""`vitpose synth`: the files it writes, its output, and its errors."""

from pathlib import Path

import cv2
import pytest

from vitpose.cli.main import main
from vitpose.synthetic.keypoints import KINDS


def test_dataset_and_preview_are_written(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    arguments = [
        'synth',
        '--out',
        str(tmp_path / 'd'),
        '--train',
        '2',
        '--val',
        '1',
        '--workers',
        '0',
        '--difficulty',
        'hard',
        '--preview',
        str(tmp_path / 'sheet.jpg'),
    ]
    assert main(arguments) == 0
    assert '2 training images' in capsys.readouterr().out
    assert (tmp_path / 'd/annotations/val.json').is_file() and (tmp_path / 'sheet.jpg').is_file()
    assert main(arguments) == 2
    assert '--overwrite' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--train', '-2'], 'train is -2'),
        (['--kind', 'giraffe'], "unknown kind 'giraffe': known kinds are aic, ap10k, coco, mpii, wholebody"),
        (['--preview', 'sheet.bmp'], '.png or .jpg'),
        (['--workers', '-1'], 'workers is -1'),
        (['--size', '4', '4'], 'width is 4'),
    ],
)
def test_bad_arguments_are_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture, arguments: list, message: str
) -> None:
    assert main(['synth', '--out', str(tmp_path / 'd'), '--val', '1', *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / 'd').exists()


def test_default_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in KINDS:
        folder = 'data/synthetic' if kind == 'coco' else f'data/synthetic_{kind}'
        arguments = ['--kind', kind, '--train', '1', '--val', '1', '--workers', '0', '--preview', f'{kind}.png']
        assert main(['synth', *arguments]) == 0
        assert f'{folder}: 1 training images' in capsys.readouterr().out
        assert (tmp_path / folder / 'annotations/val.json').is_file()
        assert cv2.imread(f'{kind}.png').std() > 10
        size = (360, 480) if kind == 'wholebody' else (240, 320)
        assert cv2.imread(f'{folder}/train/000000.jpg').shape[:2] == size
