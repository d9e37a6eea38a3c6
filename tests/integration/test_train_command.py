"""`vitpose train` on own data: MMPose's training, with the report's numbers those of MMPose's metrics."""

import re

import pytest

from tests.integration.test_own_data_page import write_start
from tests.unit.own_data import makers
from vitpose.cli.main import main
from vitpose.runs import training


@pytest.fixture
def forked(tmp_path, monkeypatch, run_forked):
    """Training runs in a forked process, from the folder that a relative start.pth is in."""
    monkeypatch.setattr(training, 'run_logged', run_forked)
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    monkeypatch.chdir(tmp_path)
    write_start(tmp_path / 'start.pth')


@pytest.mark.slow
def test_own_data_are_trained_and_reported(forked, tmp_path, capsys):
    makers.write_coco(tmp_path / 'mice')
    assert main('dataset mice/mice.json --images mice --out out --from start.pth --val 0.25'.split()) == 0
    capsys.readouterr()
    assert main('train out/config.py --epochs 2 --batch 4 --patience 1 --device cpu'.split()) == 0
    output, run = capsys.readouterr().out, tmp_path / 'out/run'
    assert re.search(r'about \d+:\d\d min per epoch, \d+:\d\d min in all: training steps alone', output)
    assert re.search(r'epoch \d/2  loss [\d.]+  best PCK@0.05/PCK -?[\d.]+', output)
    assert f'report: {run}/report.html' in output
    (best,) = run.glob('best_PCK@0.05_PCK_epoch_*.pth')
    assert f'best: {best}, PCK@0.05/PCK ' in output
    assert f'export out/config.py {best} --to onnx --out out.onnx' in output
    assert list(run.glob('*/vis_data/events.out.tfevents.*')) and not list(run.glob('*.part'))

    log, page = (run / 'train.log').read_text(), (run / 'report.html').read_text()
    assert log.count('Epoch(train)') == 6 and 'was not written' not in log  # 9 samples: every step is logged
    assert '3 held-out instances' in page and '9 of the training instances' in page and page.count('<figure>') == 6
    (held_out, *_) = re.findall(r'<td>all</td><td>\d+</td><td>[\d.]+</td><td>([\d.]+)</td><td>([\d.]+)</td>', page)
    shares = [re.findall(rf'PCK@{thr}/PCK: ([\d.]+)', log)[-1] for thr in (0.1, 0.2)]
    assert list(held_out) == [f'{float(share):.3f}' for share in shares]


@pytest.mark.slow
def test_categories_are_trained_together_and_reported_each(forked, tmp_path, capsys):
    content = makers.coco(24)
    content['categories'].append(dict(id=2, name='rat', keypoints=['head', 'end']))
    for row in content['annotations'][::2]:
        row.update(category_id=2, keypoints=row['keypoints'][:6])
    makers.write_coco(tmp_path / 'mice', content)
    assert (
        main('dataset mice/mice.json --images mice --category each --out out --from start.pth --val 0.25'.split()) == 0
    )
    capsys.readouterr()
    assert main('train out/config.py --epochs 1 --device cpu'.split()) == 0
    output, run = capsys.readouterr().out, tmp_path / 'out/run'
    (best,) = run.glob('best_mouse_PCK_epoch_1.pth')
    for name in ('mouse', 'rat'):
        assert f'report: {run}/report_{name}.html' in output
        assert f'--checkpoint {best} --dataset {name} --out poses' in output
        assert f"{name}: scores are maxima of heatmaps, not calibrated: 3 labeled instances of '{name}'" in output
        page = (run / f'report_{name}.html').read_text()
        assert '3 held-out instances' in page and '9 of the training instances' in page and f'--dataset {name}' in page
        assert page.count('<tr>') == 2 * dict(mouse=6, rat=4)[name]  # a heading, keypoints, and all of them
        assert 'by name: left_ear/right_ear' in page if name == 'mouse' else 'no keypoint name says' in page
