import pytest

from vitpose.predict.outputs.output_files import CROPS, DRAWN
from vitpose.predict.outputs.results import LINES
from vitpose_base.file_names import FileFinder, PathEnds, list_files, path_parts

NAMES = {
    'images\\cage\\a.png': 'images/cage/a.png',
    'C:\\Users\\me\\cage\\a.png': 'Users/me/cage/a.png',
    '/home/me/cage/a.png': 'home/me/cage/a.png',
    '../cage/./a.png': 'cage/a.png',
    '/data/local-files/?d=cage/a%20b.png': 'cage/a b.png',
    'https://host.invalid/cage/a%20b.png?sig=x/y': 'cage/a b.png',
    '/data/local-files/?d=cage%5Ca.png': 'cage/a.png',
    's3://bucket/cage/a.png': 'cage/a.png',
    'who?.png': 'who?.png',
}


@pytest.mark.parametrize('name', NAMES)
def test_parts_of_a_name(name):
    assert '/'.join(path_parts(name)) == NAMES[name]


def test_files_are_found_by_the_longest_end(tmp_path):
    paths = ('one/cage/a.png', 'two/cage/a.png', 'two/b.png', 'two/café.png', 'c.png', 'sub/c.png', 'sub/C.png')
    for path in paths:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    finder = FileFinder(tmp_path, [tmp_path / 'sub'])
    for name, found in {
        'c.png': ['sub/c.png'],  # as it stands in the first folder
        'D:\\x\\two\\cage\\a.png': ['two/cage/a.png'],
        'cage/a.png': ['one/cage/a.png', 'two/cage/a.png'],
        'elsewhere/b.png': ['two/b.png'],
        'B.PNG': ['two/b.png'],
        'cafe\u0301.png': ['two/café.png'],
        'caf%C3%A9.png': ['two/café.png'],
        'sub/C.PNG': ['sub/C.png', 'sub/c.png'],
        'upload/3/0a1b2c3d-b.png': ['two/b.png'],
        'bb.png': [],
        '': [],
    }.items():
        assert sorted(str(path.relative_to(tmp_path)) for path in finder.find(name)) == sorted(found), name
    absolute = str(tmp_path / 'two/b.png')
    assert FileFinder(tmp_path / 'sub').find(absolute) == [tmp_path / 'two/b.png']
    assert FileFinder(tmp_path, asked=tmp_path / 'sub').find(absolute) == []


def test_drawings_of_vitpose_predict_are_not_found(tmp_path):
    drawn = tmp_path / 'poses' / DRAWN / 'a.png'
    other = tmp_path / DRAWN / 'b.png'
    for path in (drawn, tmp_path / 'poses' / CROPS / 'a.png', tmp_path / 'poses' / LINES, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    finder = FileFinder(tmp_path)
    assert finder.find('photos/a.png') == [] and finder.find('photos/b.png') == [other]
    assert FileFinder(drawn.parent).find('photos/a.png') == [drawn]  # the folder that was asked for


def test_hidden_files_and_folders_are_not_listed(tmp_path):
    for name in ('a.png', '._a.png', '.ipynb_checkpoints/a.png', 'sub/b.png'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [*list_files(tmp_path)] == [tmp_path / 'a.png', tmp_path / 'sub/b.png']
    assert FileFinder(tmp_path).find('elsewhere/a.png') == [tmp_path / 'a.png']


def test_files_of_the_same_name_are_told_apart_by_their_folders():
    ends = PathEnds(('data', str(video), '0001.png') for video in range(100))
    assert ends.longest('/elsewhere/7/0001.png') == {('data', '7', '0001.png'): (2, 2)}
    assert len(ends.longest('0001.png')) == 100
