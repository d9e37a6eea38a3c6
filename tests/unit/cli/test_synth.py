import cv2
import pytest

from vitpose.cli.main import main
from vitpose.synthetic.keypoints import KINDS


def test_bad_arguments(tmp_path, refuses):
    for words, message in (
        ('--train -2', 'train is -2'),
        ('--train 0 --val 0', 'expected at least one image'),
        ('--seed -3', 'seed is -3'),
        ('--kind giraffe', "unknown kind 'giraffe': known kinds are aic, ap10k, coco, mpii, wholebody"),
        ('--preview sheet.bmp', '.png or .jpg'),
        ('--workers -1', 'workers is -1'),
        ('--size 8 64', 'width is 8'),
        ('--size 64 8', 'height is 8'),
    ):
        refuses('synth', '--out', tmp_path / 'd', '--val', '1', *words.split(), message=message)
    assert not (tmp_path / 'd').exists()


@pytest.mark.parametrize('kind', KINDS)
def test_default_folder_and_preview(kind, refuses, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = 'data/synthetic' if kind == 'coco' else f'data/synthetic_{kind}'
    words = f'synth --kind {kind} --train 1 --val 1 --workers 0 --difficulty hard --preview a.png'.split()
    assert main(words) == 0
    assert f'{folder}: 1 training images' in capsys.readouterr().out
    assert (tmp_path / folder / 'annotations/val.json').is_file() and cv2.imread('a.png').std() > 10
    size = (360, 480) if kind == 'wholebody' else (240, 320)
    assert cv2.imread(f'{folder}/train/000000.jpg').shape[:2] == size
    refuses(*words, message='--overwrite')
