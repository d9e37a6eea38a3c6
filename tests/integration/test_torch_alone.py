"""The commands with a checkpoint alone, in a process where OpenMMLab cannot be imported."""

import json
import subprocess
import sys

import cv2
import pytest

from tests.unit.predict.tiny_models import rendered, several, write

pytestmark = pytest.mark.slow
WORDS = 'predict', 'app', 'export', 'inspect'
WITHOUT_OPENMMLAB = """
import sys
sys.modules.update(dict.fromkeys(('mmcv', 'mmengine', 'mmpose', 'mmdet', 'mmpretrain', 'xtcocotools', 'mim')))
import gradio as gr
from vitpose.app import gradio_page
from vitpose.cli.main import main
gradio_page.serve = lambda page, host, port: type(page).__name__
gr.Blocks.block_thread = lambda page: None
for words in sys.argv[1].split(';'):
    print(words, main(words.split()))
"""


def test_predict_app_export_and_inspect(tmp_path):
    image, boxes = rendered(0)
    cv2.imwrite(str(tmp_path / 'photo.png'), image)
    (tmp_path / 'boxes.jsonl').write_text(json.dumps(dict(file='photo.png', boxes=boxes.tolist())))
    config, model = write(several(), tmp_path / 'model')
    options = f'photo.png --boxes boxes.jsonl --model {model} --dataset aic --device cpu'
    commands = [
        f'predict {options} --out torch',
        f'app {model} --dataset aic --device cpu',
        f'export {model} --dataset aic --to onnx --out aic.onnx',
        f'inspect {model} --json',
        'predict photo.png --boxes boxes.jsonl --model aic.onnx --device cpu --out onnx',
        f'predict {options} --config {config} --checkpoint {model} --out config',
        f'predict photo.png --config {config} --checkpoint {model} --out config',
    ]
    command = [sys.executable, '-c', WITHOUT_OPENMMLAB, ';'.join(commands)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    codes = [line.rpartition(' ')[2] for line in done.stdout.splitlines() if line.partition(' ')[0] in WORDS]
    assert codes == ['0', '0', '0', '0', '0', '2', '2'], done.stdout + done.stderr
    assert 'a config needs mmengine, mmcv, mmpose, not installed here' in done.stderr
    torch, onnx = (
        json.loads((tmp_path / out / 'predictions.jsonl').read_text().splitlines()[1]) for out in ('torch', 'onnx')
    )
    assert len(torch['keypoints']) == len(boxes) and len(torch['keypoints'][0]) == 14
    assert torch['keypoints'][0] == [pytest.approx(point, abs=0.1) for point in onnx['keypoints'][0]]
