"""Videos and lists of images of SLEAP's projects; `test_sleap_project.py` reads files, with sleap-io."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from tests.unit.own_data import makers
from vitpose.own_data.deriving.train_val_split import find_video
from vitpose.own_data.reading import sleap_project
from vitpose.predict.poses import Frame

POINTS = np.array([[10, 20], [30, 40]], float)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """A function that reads a project of one video, or list of images, whose frames of some indices are labeled."""

    def read_project(filename, indices, backend_metadata=None):
        video = SimpleNamespace(filename=filename, source_video=None, backend_metadata=backend_metadata)
        instance = SimpleNamespace(numpy=lambda: POINTS)
        more = dict(user_instances=[instance], has_user_instances=True, has_predicted_instances=False)
        frames = [SimpleNamespace(video=video, frame_idx=index, **more) for index in indices]
        skeleton = SimpleNamespace(node_names=['nose', 'tail'], symmetries=[], edge_inds=[(0, 1)])
        project = SimpleNamespace(user_labeled_frames=frames, labeled_frames=frames, skeleton=skeleton, videos=[video])
        monkeypatch.setitem(sys.modules, 'sleap_io', SimpleNamespace(load_slp=lambda path: project))
        (tmp_path / 'mice.slp').touch()
        return makers.read(tmp_path / 'mice.slp')

    return read_project


def test_names_of_images_tell_the_video(tmp_path, read):
    names = [f'photos/cage{cage}_frame{i:04}.png' for cage in (1, 2) for i in range(2)]
    paths = [makers.write_image(tmp_path / name) for name in names]
    photos = read([f'C:/data/{name}' for name in names], range(4)).photos
    assert [photo.path for photo in photos] == paths
    videos = [find_video(photo) for photo in photos]
    assert videos[0] == videos[1] != videos[2] == videos[3]


def test_an_ambiguous_name_is_left_out_alone(tmp_path, read):
    for name in ('a/same.png', 'b/same.png', 'a/1.png', 'a/2.png'):
        makers.write_image(tmp_path / name)
    annotations = read([f'C:/x/{name}.png' for name in ('same', 1, 2)], [0, 1, 2, 3])
    assert [photo.path for photo in annotations.photos] == [tmp_path / 'a/1.png', tmp_path / 'a/2.png']
    ambiguous, missing = annotations.unreadable
    assert "mice.slp: video 0, frame 0: 'C:/x/same.png' is ambiguous: " in ambiguous
    assert missing.endswith('video 0, frame 3: the video has no such frame')


SHAPES = [
    (dict(shape=[9, 60, 80, 3]), (80, 60)),
    (dict(shape=(9, 60, 80, 1)), (80, 60)),
    (dict(shape=None), None),
    (dict(shape=[9, 60]), None),
    ({}, None),
    (None, None),
]


@pytest.mark.parametrize(('metadata', 'size'), SHAPES)
def test_the_size_of_a_video_may_be_unknown(tmp_path, read, monkeypatch, metadata, size):
    (tmp_path / 'run.mp4').touch()
    image = np.zeros((30, 40, 3), np.uint8)
    monkeypatch.setattr(sleap_project, 'read_video', lambda name: [Frame(name, image, 0)])
    (photo,) = read(str(tmp_path / 'run.mp4'), [0], metadata).photos
    assert photo.size == size and photo.video == '0'


def test_a_video_is_read_up_to_its_last_labeled_frame_and_says_why_it_breaks_off(tmp_path, read, monkeypatch):
    (tmp_path / 'run.mp4').touch()
    whole = [Frame('run.mp4', np.full((30, 40, 3), i, np.uint8), i) for i in range(9)]
    frames = iter(whole)
    monkeypatch.setattr(sleap_project, 'read_video', lambda name: frames)
    assert len(read(str(tmp_path / 'run.mp4'), [5, 2]).photos) == 2 and len([*frames]) == 3
    frames = iter([*whole[:7], Frame('run.mp4', None, error='ends after 7 frames')])
    annotations = read(str(tmp_path / 'run.mp4'), [2, 6, 8])
    assert len(annotations.photos) == 2
    assert annotations.unreadable[0].endswith('mice.slp: video 0, frame 8: ends after 7 frames')
