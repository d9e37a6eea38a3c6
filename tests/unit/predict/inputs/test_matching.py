"""Names in a file of boxes and inputs match by the ends of their paths."""

import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.unit.predict.frames import write_video
from vitpose.predict.inputs.matching import GivenBoxes, Listed, match_names
from vitpose.predict.inputs.sources import Source, read_frames
from vitpose.predict.poses import Frame


def match(listed, *names):
    """Return what each name matches: a name in the file, or an error."""
    entries = {name: Listed({None: np.zeros((0, 4))}) for name in listed}
    matches = match_names(Path('boxes.json'), entries, [Source(name, 'image') for name in names], [])
    listed_names = {id(entry): name for name, entry in entries.items()}
    return [listed_names.get(id(entry), entry) for entry in matches.values()]


@pytest.mark.parametrize(
    ('listed', 'name', 'expected'),
    [
        (['1.jpg'], 'data/val/1.jpg', '1.jpg'),
        (['val/1.jpg', 'train/1.jpg'], 'data/val/1.jpg', 'val/1.jpg'),
        (['1.jpg', 'val/1.jpg'], 'data/val/1.jpg', 'val/1.jpg'),
        (['/home/me/data/val/1.jpg'], 'val/1.jpg', '/home/me/data/val/1.jpg'),
        (['./1.jpg'], 'val/1.jpg', './1.jpg'),
        (['folder/1.jpg', 'train/1.jpg'], '1.jpg', 'folder/1.jpg'),  # the file's absolute path
    ],
)
def test_longest_common_end_is_taken(listed, name, expected, tmp_path, monkeypatch):
    (tmp_path / 'folder').mkdir()
    monkeypatch.chdir(tmp_path / 'folder')
    assert match(listed, name) == [expected]


def test_many_folders_with_the_same_file_names_are_matched_in_linear_time():
    """As the frames of PoseTrack's videos; each name compared with each of its folders took a minute."""
    names = [f'{folder:04}/{number:06}.jpg' for folder in range(400) for number in range(25)]
    start = time.monotonic()
    assert match(names, *(f'/data/{name}' for name in names)) == names
    assert time.monotonic() - start < 10


def test_part_of_a_component_and_several_matches_are_an_error_of_that_input():
    good, bad = match(['1.jpg', 'al2.jpg'], 'val/1.jpg', 'val/2.jpg')
    assert good == '1.jpg' and bad == 'no boxes: boxes.json lists no file with the name of val/2.jpg'
    good, bad = match(['x/1.jpg', 'a/2.jpg', 'b/2.jpg'], '1.jpg', '2.jpg')
    assert good == 'x/1.jpg' and bad == 'no boxes: boxes.json lists several files that match it: a/2.jpg, b/2.jpg'
    good, *bad = match(['1.jpg', '2.jpg'], 'a/1.jpg', 'a/2.jpg', 'b/2.jpg')
    assert good == '1.jpg'
    assert bad == ['no boxes: 2.jpg in boxes.json matches 2 inputs'] * 2
    good, bad = match(['a/1.jpg', 'c/1.jpg'], 'a/1.jpg', 'b/1.jpg')  # c/1.jpg is of neither
    assert good == 'a/1.jpg' and bad == 'no boxes: c/1.jpg in boxes.json matches 2 inputs'


def test_no_match_at_all_is_an_error():
    with pytest.raises(ValueError, match=r'^no boxes: boxes.json lists no file with the name of a.jpg'):
        match(['b.jpg'], 'a.jpg')
    with pytest.raises(ValueError, match=r'^a.jpg: no boxes: .* \(the same for all 2 inputs\)'):
        match(['b.jpg'], 'a.jpg', 'c.jpg')


@pytest.mark.parametrize(('kind', 'index'), [('video', None), ('image', 3)])
def test_frame_indices_are_for_videos(kind, index):
    with pytest.raises(ValueError, match='check the frame indices of a in boxes.jsonl'):
        match_names(Path('boxes.jsonl'), {'a': Listed({index: np.zeros((0, 4))})}, [Source('a', kind)], [])


def test_source_without_entry_is_not_read(tmp_path):
    listed = {'1.jpg': Listed({None: np.ones((2, 4))}, image_id=5)}
    sources = [Source(str(tmp_path / f'{i}.jpg'), 'image') for i in (1, 2)]
    cv2.imwrite(sources[0].name, np.zeros((4, 6, 3), np.uint8))
    given = GivenBoxes(Path('b.json'), listed, sources)
    good, bad = given.fill(read_frames(sources, given.missing))
    assert len(good.boxes) == 2 and bad.image is None and bad.error.startswith('no boxes: b.json lists no file')
    assert given.image_ids == {sources[0].name: 5}
    (broken,) = given.fill([Frame(sources[0].name, None, error='broken')])
    assert broken.boxes is None and broken.error == 'broken'


def given_boxes(tmp_path, size, real, scale=False):
    """Boxes made for images of `size`, and one image of the size `real`, beside another one."""
    sources = [Source(str(tmp_path / f'{i}.png'), 'image') for i in (1, 2)]
    for source, (w, h) in zip(sources, (real, size), strict=True):
        cv2.imwrite(source.name, np.zeros((h, w, 3), np.uint8))
    boxes = {f'{i}.png': Listed({None: np.float32([[8, 6, 40, 30]])}, size=size) for i in (1, 2)}
    given = GivenBoxes(Path('b.json'), boxes, sources, scale)
    return given, list(given.fill(read_frames(sources, given.missing)))


def test_boxes_made_for_a_smaller_copy_are_refused_or_scaled(tmp_path):
    message = r'^boxes were made for a different image size than that of 1 of 2 .*1.png has 160x120 .* says 80x60; pass'
    with pytest.raises(ValueError, match=message):
        given_boxes(tmp_path, (80, 60), (160, 120))
    given, frames = given_boxes(tmp_path, (80, 60), (160, 120), scale=True)
    found = {Path(frame.name).stem: frame.boxes.tolist() for frame in frames}
    assert found == {'1': [[16, 12, 80, 60]], '2': [[8, 6, 40, 30]]}
    assert given.notes()[0].startswith('boxes scaled for 1 of 2 inputs: ')
    given, _ = given_boxes(tmp_path, (80, 60), (80, 60))
    assert not given.notes()


def test_boxes_made_for_a_smaller_copy_of_a_video(tmp_path):
    video = Source(str(tmp_path / 'v.mp4'), 'video')
    write_video(tmp_path / 'v.mp4', [np.zeros((48, 64, 3), np.uint8)] * 2)

    def given(size, scale):
        tables = {index: np.float32([[1 + index, 2, 10, 20]]) for index in (0, 1)}
        return GivenBoxes(Path('b.jsonl'), {'v.mp4': Listed(tables, size=size)}, [video], scale)

    with pytest.raises(ValueError, match=r'v.mp4 has 64x48 pixels, b.jsonl says 32x24; pass --scale-boxes'):
        given((32, 24), False)
    frames = given((32, 24), True).fill(read_frames([video]))
    assert [frame.boxes.tolist() for frame in frames] == [[[2, 4, 20, 40]], [[4, 4, 20, 40]]]
    with pytest.raises(ValueError, match='so the aspect ratio differs'):
        given((24, 32), True)
    assert not given((64, 48), False).notes()


def test_the_shorter_side_of_a_copy_is_rounded(tmp_path):
    _, frames = given_boxes(tmp_path, (666, 400), (1333, 800), scale=True)
    np.testing.assert_allclose(frames[0].boxes, [[16.01, 12, 80.06, 60]], atol=0.01)


@pytest.mark.parametrize('scale', [False, True])
def test_another_aspect_ratio_is_the_error_of_that_input(tmp_path, scale):
    given, (bad, good) = given_boxes(tmp_path, (80, 60), (60, 80), scale)
    assert bad.error.startswith('no boxes: ') and bad.error.endswith(
        '1.png has 60x80 pixels, b.json says 80x60, so the aspect ratio differs'
    )
    assert good.error is None and len(good.boxes) == 1 and not given.notes()


def test_unused_files_and_frames_are_counted_and_named(tmp_path):
    write_video(tmp_path / 'v.mp4', [np.zeros((48, 64, 3), np.uint8)] * 3)
    video = Source(str(tmp_path / 'v.mp4'), 'video')
    listed = {'v.mp4': Listed({i: np.ones((1, 4)) for i in (0, 2, 3, 7, -1)})}
    listed |= {f'{i}.jpg': Listed({None: np.ones((2, 4))}) for i in range(5)}
    given = GivenBoxes(Path('b.jsonl'), listed, [video])
    files = 'b.jsonl: 5 of 6 files, with 10 boxes, are not among the inputs: 0.jpg, 1.jpg, 2.jpg, ...'
    assert given.notes() == [files]
    assert len(list(given.fill(read_frames([video])))) == 3
    late = given.notes()[1]
    assert (
        late.startswith('b.jsonl: 3 lines are of frames that were not read: frame -1 of /') and ', frame 7 of /' in late
    )


def test_names_of_other_machines_match(tmp_path):
    assert match([r'C:\data\val\1.jpg', r'train\1.jpg'], 'val/1.jpg') == [r'C:\data\val\1.jpg']
    assert match([r'images\A.jpg'], str(tmp_path / 'photos/a.jpg')) == [r'images\A.jpg']
    good, bad = match(['val/1.jpg'], 'val/1.jpg', 'test/1.jpg')  # which has less in common with it
    assert good == 'val/1.jpg' and bad.startswith('no boxes: ')


def test_inputs_in_other_folders_are_named(tmp_path):
    listed = {name: Listed({None: np.ones((1, 4))}) for name in (r'images\1.jpg', '2.jpg')}
    sources = [Source(str(tmp_path / f'{i}.jpg'), 'image') for i in (1, 2)]
    sources += [Source(str(tmp_path / folder / '3.jpg'), 'image') for folder in 'ab']
    listed |= {'c/3.jpg': Listed({None: np.ones((1, 4))})}  # of neither
    (note,) = GivenBoxes(Path('b.json'), listed, sources).notes()
    assert note.startswith(r'b.json: 1 inputs are in other folders than listed: images\1.jpg = /')
