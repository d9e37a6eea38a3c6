"""The study of own data: its images and figures, and all of it at toy size."""

import json
import sys

import cv2
import numpy as np
import pytest

from projects.own_data import study
from tests.unit.predict.frames import write_video
from vitpose import PosePredictor
from vitpose.cli.main import main as vitpose
from vitpose.predict.outputs.results import frame_of, read_lines
from vitpose.predict.poses import Poses
from vitpose.synthetic.keypoints import keypoint_set


def test_objects_take_their_share_and_keep_their_keypoints():
    rng = np.random.default_rng(0)
    pair, photo = study.draw_animals(rng, 2), study.Scene(np.zeros((90, 120, 3), np.uint8), *np.zeros((2, 1, 1, 4)))
    photo.image[30:61, 40:61] = 255  # a block, with a keypoint at its center and one that is not labeled
    photo.keypoints, photo.boxes = np.array([[(50, 45, 2), (0, 0, 0)]], float), np.array([[40, 30, 21, 31]], float)
    pasted = [study.paste_anywhere(rng, photo), *study.move(rng, photo, 40)[::13]]
    assert len(pair.boxes) == len(pair.keypoints) == 2 and pair.image.shape == pasted[0].image.shape == (480, 640, 3)
    for scene in (pair, *pasted):
        for x, y, w, h in scene.boxes:
            assert 0.029 < w * h / (640 * 480) < 0.251 and x > -1 and y > -1 and x + w < 641 and y + h < 481
    for scene in pasted:
        x, y, w, h = scene.boxes[0]
        np.testing.assert_allclose(scene.keypoints[0, 0, :2], (x + 10 / 21 * w, y + 15 / 31 * h), atol=0.5)
        assert scene.image[int(y + h / 2), int(x + w / 2)].min() > 250 and not scene.keypoints[0, 1].any()
    assert len({tuple(scene.boxes[0]) for scene in pasted}) == 5


def test_errors_and_bars():
    labels = np.array([[(10, 10, 2), (40, 10, 1), (0, 0, 0)]])
    scene = study.Scene(np.zeros((9, 9, 3)), labels, np.array([[0, 0, 30, 40]]))
    keypoints = np.array([[(10, 15), (43, 14), (99, 99)], [(10, 90), (40, 90), (0, 0)]], float)
    near, nobody = (Poses(points, *np.zeros((4, len(points)))) for points in (keypoints, keypoints[:0]))
    assert study.median_error([near], [scene]) == pytest.approx(5 / 50)
    assert study.median_error([near, nobody, nobody], [scene] * 3) == 1
    errors = {'true boxes': 0.03, 'images': 0.044, 'video': 0.046, 'detector': 0.059}
    assert study.judge(errors) == {'true boxes': True, 'images': True, 'video': False, 'detector': True}


@pytest.mark.long
def test_all_of_it_at_toy_size(tmp_path, monkeypatch):
    rng, people = np.random.default_rng(0), tmp_path / 'people'

    def noise():
        keypoints = np.c_[rng.uniform((4, 4), (44, 60), (14, 2)).round(1), np.full(14, 2)]
        image = rng.integers(0, 255, (*study.SIZE[::-1], 3), np.uint8)
        return study.Scene(image, keypoints[None], np.array([(4, 4, 40, 56)]))

    splits = dict(train=[noise() for _ in range(12)], val=[noise() for _ in range(16)])
    study.write_folder(people, [f'joint{i}' for i in range(14)], 'person', splits)
    words = f'--data {people} --out {tmp_path}/out --results {tmp_path}/results.json --train 12 --test 4 --frames 4'
    options = [*words.split(), '--epochs', '1', '--scratch-detector']
    monkeypatch.setattr(sys, 'argv', ['study.py', *options])
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    study.main()
    results = json.loads((tmp_path / 'results.json').read_text())
    found = {name: set(each['errors']) for name, each in results['sets'].items()}
    alone = {'true boxes', 'images', 'video'}
    assert found.pop('two animals', {'true boxes', 'detector'}) == {'true boxes', 'detector'}
    assert found == {'animals': alone, 'people of people': alone}
    page = (tmp_path / 'README.md').read_text()
    assert page.count('\n| animals | ') == 3 and '| 4%: missed |' in page
    assert cv2.imread(str(tmp_path / 'out/animals/images/train1.jpg')).shape == (480, 640, 3)


@pytest.mark.long
def test_a_rendered_deeplabcut_project_becomes_poses_in_a_new_video(root, tmp_path, monkeypatch):
    """The commands of docs/own_data.md, with the bars of the study; a training of about 20 minutes on two cores."""
    page = (root / 'docs/own_data.md').read_text(encoding='utf-8')
    for line in ('vitpose dataset mouse-project --out my_mice', 'vitpose train my_mice/config.py'):
        assert f'\n{line}\n' in page
    monkeypatch.chdir(tmp_path)
    rng, names = np.random.default_rng(0), keypoint_set('ap10k').names
    for video in 'abcdef':
        folder = tmp_path / f'mouse-project/labeled-data/{video}'
        folder.mkdir(parents=True)
        heads = {'scorer': ['me'] * 2 * len(names), 'bodyparts': np.repeat(names, 2), 'coords': ['x', 'y'] * len(names)}
        rows = [[name, '', '', *columns] for name, columns in heads.items()]
        for i in range(40):
            scene = study.draw_animals(rng, 1)
            cv2.imwrite(str(folder / f'img{i:03}.png'), scene.image)
            xy = ['' if v == 0 else f'{value:.2f}' for *both, v in scene.keypoints[0] for value in both]
            rows.append(['labeled-data', video, f'img{i:03}.png', *xy])
        (folder / 'CollectedData_me.csv').write_text('\n'.join(','.join(row) for row in rows))
    clip = study.move(rng, study.draw_animals(rng, 1), 200)
    write_video(tmp_path / 'new.mp4', [scene.image for scene in clip])
    assert vitpose('dataset mouse-project --out my_mice --arch tiny'.split()) == 0
    assert vitpose('train my_mice/config.py --epochs 25'.split()) == 0
    (best,) = (tmp_path / 'my_mice/run').glob('best_*.pth')
    words = f'predict new.mp4 --config my_mice/config.py --checkpoint {best} --no-draw --out poses'
    assert vitpose(words.split()) == 0
    found = [frame_of(line)[1] for line, _ in read_lines(tmp_path / 'poses/predictions.jsonl')]
    errors = {'video': study.median_error(found, clip)}
    boxed = PosePredictor.load(tmp_path / 'my_mice/config.py', best)
    corners = [np.concatenate((s.boxes[:, :2], s.boxes[:, :2] + s.boxes[:, 2:]), 1) for s in clip]
    errors['true boxes'] = study.median_error(boxed([scene.image for scene in clip], corners), clip)
    assert all(study.judge(errors).values()), errors
