"""Names of drawn files, and of the files of one frame."""

from pathlib import Path

from vitpose.predict.inputs.sources import Source
from vitpose.predict.outputs.drawn_files import file_names, frame_path


def names(*files):
    kinds = {'jpg': 'image', 'png': 'image', 'mp4': 'video', 'mov': 'video'}
    sources = [Source(file, kinds.get(file.rpartition('.')[2][:3], 'live')) for file in files]
    return [str(path) for path in file_names(sources).values()]


def test_folders_below_the_common_one_are_kept_and_no_two_files_get_the_same_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert names('d/a/1.jpg', 'd/b/1.png', 'd/2.mov') == ['a/1.jpg', 'b/1.jpg', '2.mp4']
    assert names('d/1.jpg', 'd/2.jpg', 'camera 0') == ['1.jpg', '2.jpg', 'camera_0.mp4']
    assert names('../x/1.jpg', str(tmp_path / '2.jpg')) == ['x/1.jpg', f'{tmp_path.name}/2.jpg']
    assert names('camera 1', 'rtsp://me:***@host/door') == ['camera_1.mp4', 'me_host_door.mp4']
    assert names('http://host/a/1.jpg?size=9', 'http://host/a/2.mp4', 'd/1.jpg') == [
        'host_a_1_jpg_size_9.jpg',
        'host_a_2_mp4.mp4',
        '1.jpg',
    ]
    images = names('a.jpg', 'a.png', 'a.png.jpg', 'A.jpg')
    assert images == ['a.jpg', 'a.png.jpg', 'a.png.jpg.jpg', 'A.jpg.jpg']
    assert names('a.mp4', 'a.mov') == ['a.mp4', 'a.mov.mp4']


def test_files_of_frames_stand_in_a_folder_of_their_video():
    assert frame_path(Path('e/a.png.jpg'), None, '_keypoints.json') == Path('e/a.png_keypoints.json')
    assert frame_path(Path('e/v.mp4'), 7, '.txt') == Path('e/v.mp4/v_000000000007.txt')
