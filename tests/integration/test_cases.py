"""Inputs that people met in the wild, kept outside the repository: each is read, or refused with the true reason."""

import re

import pytest

from vitpose.cli.main import main

CASES = {  # exit code, what is said, and whether training flips images
    '01_cvat_one_point': (0, '12 boxes are the extent of their keypoints: they are treated as missing', False),
    '03_backslash': (0, '2 pairs of left and right', True),
    '04_local_files_url': (0, '2 pairs of left and right', True),
    '04b_http_url': (0, '2 pairs of left and right', True),
    '06_shrunk_images': (2, 'pass --scale-labels', None),
    '06b_enlarged_images': (2, 'pass --scale-labels', None),
    '09_duplicate_file_name': (0, '1 images are listed twice: their annotations are joined', True),
    '10c_mixed_ids': (0, '11 instances for training, 1 for validation', True),
    '11_nested_keypoints': (0, '11 instances for training, 1 for validation', True),
    '14_corner_names': (0, '2 pairs of left and right keypoints, by name: tl/tr, br/bl', True),
    '14b_prefix_names': (0, '2 pairs of left and right keypoints, by name: lsho/rsho, lhip/rhip', True),
    '15_category_per_keypoint': (0, '5 categories of one point each become the keypoints of one instance', True),
    '19_twice': (0, 'left out: 12 instances repeat another instance of the same image', True),
    '20_yolo_flip_idx_empty': (0, 'training does not flip images', False),
    '21_yolo_no_flip_idx': (0, 'training does not flip images', False),
    '22_yolo_just_above_one': (0, '1 rows have values just outside 0 to 1, which are clipped', True),
    '24_yolo_windows_yaml': (0, 'keypoint_0 is left of keypoint_1 in 100% of the instances', False),
    '30_dlc_multi_animal': (0, '12 instances for training, 12 for validation', False),
    '31_dlc_other_order': (0, '6 instances for training, 6 for validation', False),
    '36_dlc_semicolons': (0, '6 instances for training, 6 for validation', False),
    '38_tight_boxes_cvat': (0, '12 boxes are the extent of their keypoints: they are treated as missing', True),
    '41_train_tiny_boxes': (
        0,
        'no instance for validation is of size M or L: AP (M), AR (M), AP (L), AR (L) will be',
        False,
    ),
    '45_lp_visible_column': (0, '6 instances for training, 6 for validation', False),
    '53_cards_flip': (0, '2 pairs of left and right keypoints, by name: tl/tr, br/bl', True),
}


@pytest.mark.parametrize('name', CASES)
def test_case(name, root, tmp_path, capsys, monkeypatch):
    folder = root.parent / 'shared/cases' / name
    if not folder.is_dir():
        pytest.skip(f'this test needs {folder}')
    monkeypatch.setattr('vitpose.own_data.dataset_folder.draw_preview', lambda *_: None)
    code, text, flip = CASES[name]
    files = [folder / file for file in ('toys.json', 'short.json', 'CollectedData.csv') if (folder / file).exists()]
    options = ['--images', folder / 'images'] if files and files[0].suffix == '.json' else []
    words = ['dataset', *(files[:1] or [folder]), *options, '--from', 'scratch', '--out', tmp_path / 'out']
    assert main(list(map(str, words))) == code
    said = ''.join(capsys.readouterr())
    assert text in said, said
    config = (tmp_path / 'out/config.py').read_text() if code == 0 else ''
    assert re.findall(r'flip_test=(\w+)', config) == ([] if flip is None else [str(flip)])
    assert ('_base_.flip' in config) == bool(flip)
