import json
import re
import shutil

import pytest

from tests.unit.own_data import makers
from tests.unit.own_data.makers import read


def test_unknown_formats(tmp_path):
    path = makers.write_coco(tmp_path / 'here')
    (tmp_path / 'there').mkdir()
    (tmp_path / 'a.txt').touch()
    missing = r'none of its 12 images exists; looked for .*there/frame 0.png, .*check --images'
    for file, images, message in (
        (tmp_path / 'nothing.json', None, 'no such file or folder; expected a COCO keypoint file'),
        (path, 'nowhere', '--images .*nowhere: no such folder'),
        (tmp_path / 'a.txt', None, r'a.txt: expected a COCO keypoint file or a folder of them, a YOLO'),
        (tmp_path, None, 'expected COCO files'),
        (path, 'there', missing),
    ):
        error = FileNotFoundError if 'no such' in message else ValueError
        with pytest.raises(error, match=message):
            read(file, images=images and tmp_path / images)


def test_suffixes_in_capitals(tmp_path):
    path = makers.write_coco(tmp_path)
    path = path.rename(path.with_suffix('.JSON'))
    assert read(path).count == read(tmp_path).count == 12


@pytest.mark.parametrize('write', [makers.write_coco, makers.write_labelme, makers.write_yolo])
def test_hidden_files_are_not_annotations(write, tmp_path):
    """On other file systems, macOS puts one beside each file; Jupyter copies files."""
    write(tmp_path)
    expected = repr(read(tmp_path))
    for file in [file for file in tmp_path.rglob('*') if file.is_file() and file.suffix != '.yaml']:
        file.with_name(f'._{file.name}').write_bytes(b'\0\5\26\7Mac OS X')
        (file.parent / '.ipynb_checkpoints').mkdir(exist_ok=True)
        shutil.copy(file, file.parent / '.ipynb_checkpoints' / file.name)
    assert repr(read(tmp_path)) == expected


def test_the_config_of_a_deeplabcut_project_stands_for_it(tmp_path):
    makers.write_deeplabcut(tmp_path)
    (tmp_path / 'config.yaml').write_text('Task: mouse\nscorer: me\nbodyparts: [nose]\n')
    assert repr(read(tmp_path / 'config.yaml')) == repr(read(tmp_path))


def test_a_part_of_a_deeplabcut_project_is_refused_with_what_to_pass(tmp_path):
    makers.write_deeplabcut(tmp_path)
    project = re.escape(str(tmp_path.resolve()))
    for folder in (tmp_path / 'labeled-data', tmp_path / 'labeled-data/a'):
        with pytest.raises(ValueError, match=f"is in a DeepLabCut project: pass the project's folder {project}$"):
            read(folder)
    (tmp_path / 'labeled-data/a').rename(tmp_path / 'a')
    with pytest.raises(ValueError, match=r'without a project: pass the table .*a/CollectedData_me.csv$'):
        read(tmp_path / 'a')
    assert read(tmp_path / 'a/CollectedData_me.csv').count == 6


@pytest.mark.parametrize(
    ('tool', 'write'), [('DeepLabCut', makers.write_deeplabcut), ('labelme', makers.write_labelme)]
)
def test_a_category_of_annotations_without_categories_is_refused(tmp_path, tool, write):
    write(tmp_path)
    assert read(tmp_path).count > 0
    with pytest.raises(
        ValueError, match=f'--category mouse: annotations of {tool} have no categories: leave the option'
    ):
        read(tmp_path, category='mouse')


def write_absolute(folder):
    """A COCO file with absolute paths of images."""
    content = makers.coco()
    path = makers.write_coco(folder, content)
    for image in content['images']:
        image['file_name'] = str(folder / image['file_name'])
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize('write', [write_absolute, makers.write_deeplabcut, makers.write_labelme])
def test_images_are_those_of_the_folder_that_was_asked_for(tmp_path, write):
    """Not those beside the annotations, or at absolute paths."""
    path = write(tmp_path / 'project')
    shutil.copytree(tmp_path / 'project', tmp_path / 'others')
    for images, folder in ((None, 'project'), (tmp_path / 'others', 'others')):
        photos = read(path, images=images).photos
        assert {photo.path.relative_to(tmp_path).parts[0] for photo in photos} == {folder} and len(photos) == 12
