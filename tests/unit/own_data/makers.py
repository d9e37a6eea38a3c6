"""Small annotated datasets in each format, with known contents."""

import json

import cv2
import numpy as np

from vitpose.own_data.reading.annotation_format import read_annotations

NAMES = ['nose', 'left_ear', 'right_ear', 'tail']
LINKS = [(0, 1), (0, 2), (0, 3)]


def read(path, **options):
    (annotations,) = read_annotations(path, **options)
    return annotations


def write_image(path, seed=0):
    """Noise of 80x60."""
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 255, (60, 80, 3), np.uint8))
    return path


def keypoints(i=0):
    """(4, 3): the second is not labeled in every third instance."""
    points = np.array([(10 + i % 5, 12, 2), (20, 8, 1), (6, 9, 2), (30, 40, 2)], float)
    if i % 3 == 2:
        points[1] = 0
    return points


def coco(count=12, names=NAMES, name='frame {}.png'):
    images = [dict(id=i + 1, file_name=name.format(i), width=80, height=60) for i in range(count)]
    points = [keypoints(i)[: len(names)].ravel().tolist() for i in range(count)]
    common = dict(category_id=1, bbox=[2, 4, 34, 42])
    rows = [dict(id=i, image_id=i, keypoints=values, **common) for i, values in enumerate(points, 1)]
    categories = [dict(id=1, name='mouse', keypoints=[*names], skeleton=[[1, 2], [1, 3], [1, 4]])]
    return dict(images=images, annotations=rows, categories=categories)


def write_coco(folder, content=None, file='mice.json'):
    content = content or coco()
    for i, image in enumerate(content['images']):
        write_image(folder / image['file_name'], i)
    (folder / file).write_text(json.dumps(content))
    return folder / file


def write_yolo(folder, shape=(4, 3), count=6, **extra):
    """A YOLO-pose folder with `count` images for training and two for validation; returns data.yaml."""
    for split, number in (('train', count), ('val', 2)):
        for i in range(number):
            write_image(folder / f'images/{split}/{split}{i}.png', i + 100 * (split == 'val'))
            numbers = [0, 19 / 80, 25 / 60, 34 / 80, 42 / 60, *(keypoints(i) / (80, 60, 1))[:, : shape[1]].ravel()]
            label = folder / f'labels/{split}/{split}{i}.txt'
            label.parent.mkdir(parents=True, exist_ok=True)
            label.write_text(' '.join(f'{value:.8g}' for value in numbers) + '\n')
    lines = dict(path='.', train='images/train', val='images/val', kpt_shape=list(shape), names={0: 'mouse'}) | extra
    (folder / 'data.yaml').write_text('\n'.join(f'{key}: {json.dumps(value)}' for key, value in lines.items()))
    return folder / 'data.yaml'


def write_deeplabcut(folder, videos=('a', 'b')):
    """A DeepLabCut project of six frames per video; returns its folder."""
    heads = dict(scorer=['me'] * 8, bodyparts=np.repeat(NAMES, 2), coords=['x', 'y'] * 4)
    for video in videos:
        rows = [[name, '', '', *columns] for name, columns in heads.items()]
        for i in range(6):
            write_image(folder / f'labeled-data/{video}/img{i:03}.png', i + 100 * ord(video))
            xy = ['' if v == 0 else str(value) for *both, v in keypoints(i) for value in both]
            rows.append(['labeled-data', video, f'img{i:03}.png', *xy])
        (folder / f'labeled-data/{video}/CollectedData_me.csv').write_text('\n'.join(','.join(row) for row in rows))
    (folder / 'config.yaml').write_text('skeleton:\n- - nose\n  - left_ear\n- - nose\n  - right_ear\n')
    return folder


def write_labelme(folder, count=12):
    """Files of labelme with two instances per image, of which one has a box; returns their folder."""
    for i in range(count):
        write_image(folder / f'{i}.png', i)
        shapes = [dict(label='mouse', points=[[2, 4], [36, 46]], group_id=1, shape_type='rectangle')]
        for group, move in ((1, 0), (2, 5)):
            for name, (x, y, v) in zip(NAMES, keypoints(i).tolist(), strict=True):
                point = dict(label=name, points=[[x + move, y]], shape_type='point', difficult=v == 1)
                shapes += [dict(point, group_id=group)] if v else []
        content = dict(shapes=shapes, imagePath=f'..\\pictures\\{i}.png', imageWidth=80, imageHeight=60)
        (folder / f'{i}.json').write_text(json.dumps(content))
    return folder
