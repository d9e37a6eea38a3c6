"""SLEAP's projects: images, frames of videos and packages; and those that `--save slp` writes."""

import os
import shutil
import sys

import cv2
import numpy as np
import pytest

from tests.unit.own_data import makers
from tests.unit.predict.frames import write_video
from vitpose.predict.optional_imports import import_optional

sleap_io = pytest.importorskip('sleap_io', reason="SLEAP's projects need sleap-io: pip install 'vitpose_mm[sleap]'")
pytest.importorskip('av')
NAMES = ['nose', 'left_ear', 'right_ear']
POINTS = np.array([[10, 20], [30, 40], [np.nan, np.nan]], float)
EXPECTED = [[10, 20, 2], [30, 40, 2], [0, 0, 0]]


def make_project(video, labeled, predicted=()):
    """A project of one video, whose labeled frames have one animal each, and predicted ones a predicted animal."""
    skeleton = sleap_io.Skeleton(list(NAMES), edges=[('nose', 'left_ear')], symmetries=[('left_ear', 'right_ear')])
    frames = [(index, sleap_io.Instance.from_numpy(POINTS, skeleton)) for index in labeled]
    for index in predicted:
        instance = sleap_io.PredictedInstance.from_numpy(POINTS, skeleton, point_scores=np.ones(3), score=1.0)
        frames.append((index, instance))
    rows = [sleap_io.LabeledFrame(video, index, [instance]) for index, instance in frames]
    return sleap_io.Labels(rows, videos=[video], skeletons=[skeleton])


def shown_number(path):
    """The number of a frame of the video below."""
    return round(cv2.imread(str(path)).mean() / 40)


@pytest.fixture
def video(tmp_path):
    path = tmp_path / 'videos/run.mp4'
    path.parent.mkdir()
    write_video(path, [np.full((64, 80, 3), 40 * i, np.uint8) for i in range(6)])
    return path


def test_images_of_another_machine_are_found_by_their_ends(tmp_path):
    paths = [makers.write_image(tmp_path / f'photos/{i}.png') for i in range(3)]
    project = make_project(sleap_io.Video([str(path) for path in paths]), [0, 2], predicted=[1])
    project.video.replace_filename([f'C:/data/photos/{i}.png' for i in range(3)], open=False)
    project.save(str(tmp_path / 'mice.slp'), verbose=False)
    read = makers.read(tmp_path / 'mice.slp', images=tmp_path / 'photos')
    assert [photo.path for photo in read.photos] == [paths[0], paths[2]] and not read.unreadable
    assert [photo.instances[0].keypoints.tolist() for photo in read.photos] == [EXPECTED] * 2
    assert (read.labels.names, read.labels.links, read.labels.mirror) == (NAMES, [(0, 1)], [0, 2, 1])
    assert any('1 frames that are only predicted are left out' in note for note in read.notes)


def test_labeled_frames_of_a_video_are_written_as_images(tmp_path, video):
    make_project(sleap_io.Video(str(video)), [1, 4, 9]).save(str(tmp_path / 'mice.slp'), verbose=False)
    for _ in range(2):  # the second time, the frames are there
        read = makers.read(tmp_path / 'mice.slp')
        assert [shown_number(photo.path) for photo in read.photos] == [1, 4]
        assert {photo.video for photo in read.photos} == {'0'}
        assert read.unreadable == [f'{tmp_path / "mice.slp"}: video 0, frame 9: the video has no such frame']


def test_frames_of_other_projects_and_older_videos_are_not_reused(tmp_path, video):
    other = video.with_name('other.mp4')
    write_video(other, [np.full((64, 80, 3), 200, np.uint8)] * 3)
    for name, path, expected in (('v001', video, 1), ('v002', other, 5), ('v002', video, 1)):
        make_project(sleap_io.Video(str(path)), [1]).save(str(tmp_path / f'mice.{name}.slp'), verbose=False)
        (photo,) = makers.read(tmp_path / f'mice.{name}.slp').photos
        assert shown_number(photo.path) == expected
    shutil.copy(other, video)
    os.utime(video, (2e9, 2e9))
    assert shown_number(makers.read(tmp_path / 'mice.v002.slp').photos[0].path) == 5


def test_the_size_of_a_video_is_that_when_it_was_labeled(tmp_path, video):
    make_project(sleap_io.Video(str(video)), [1]).save(str(tmp_path / 'mice.slp'), verbose=False)
    write_video(video, [np.full((32, 40, 3), 40 * i, np.uint8) for i in range(6)])
    (photo,) = makers.read(tmp_path / 'mice.slp').photos
    assert photo.size == (80, 64) and cv2.imread(str(photo.path)).shape[:2] == (32, 40)


def test_a_frame_that_is_listed_twice_keeps_its_instances(tmp_path, video):
    project = make_project(sleap_io.Video(str(video)), [1, 1])
    project.labeled_frames[1].instances[0].points['xy'] += 5
    project.save(str(tmp_path / 'mice.slp'), verbose=False)
    (photo,) = makers.read(tmp_path / 'mice.slp').photos
    assert [instance.keypoints[0].tolist() for instance in photo.instances] == [[10, 20, 2], [15, 25, 2]]


def test_images_in_a_package_are_written_as_files(tmp_path, video):
    project = make_project(sleap_io.Video(str(video)), [1, 4])
    project.save(str(tmp_path / 'mice.pkg.slp'), embed='user', verbose=False)
    video.unlink()
    read = makers.read(tmp_path / 'mice.pkg.slp')
    assert [shown_number(photo.path) for photo in read.photos] == [1, 4] and not read.unreadable


def test_a_video_that_is_missing_is_named(tmp_path, video):
    make_project(sleap_io.Video(str(video)), [1]).save(str(tmp_path / 'mice.slp'), verbose=False)
    video.unlink()
    with pytest.raises(ValueError, match='1 rows cannot be read, .*frame 1: no video .*run.mp4; pass'):
        makers.read(tmp_path / 'mice.slp')


def test_what_is_no_project_is_refused(tmp_path, monkeypatch):
    (tmp_path / 'mice.slp').write_bytes(b'nothing')
    with pytest.raises(ValueError, match='mice.slp: not a SLEAP project: '):
        makers.read(tmp_path / 'mice.slp')
    monkeypatch.setitem(sys.modules, 'sleap_io', None)
    with pytest.raises(ValueError, match=r"reading needs the package sleap_io .*: pip install 'vitpose_mm\[sleap\]'"):
        import_optional('sleap_io', 'reading')
