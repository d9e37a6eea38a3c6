"""PosePredictor: order, batches, bad frames and boxes, threads, memory."""

import io
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import weakref
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.unit.predict.tiny_models import rendered
from vitpose import PosePredictor
from vitpose.predict import batching
from vitpose.predict.models.crops import CropRule
from vitpose.predict.poses import Frame


@pytest.fixture(scope='module')
def predictor(model_files):
    """A predictor with small batches."""
    return PosePredictor.load(*model_files, device='cpu', batch_size=4)


def frames(count):
    for i in range(count):
        image, boxes = rendered(i % 4)
        yield Frame(f'{i}.jpg', image, index=i, boxes=boxes)


def test_one_image_gives_poses_and_a_list_gives_a_list(predictor, tmp_path):
    image, boxes = rendered(1)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    poses = predictor(image, boxes)
    assert poses.keypoints.shape == (len(boxes), 17, 2) and poses.scores.shape == (len(boxes), 17)
    np.testing.assert_array_equal(poses.boxes, boxes)
    np.testing.assert_array_equal(poses.box_scores, np.ones(len(boxes)))
    assert {a.dtype for a in (poses.keypoints, poses.scores, poses.boxes, poses.box_scores)} == {np.dtype(np.float32)}
    assert (poses.track_ids, poses.dropped) == (None, [])
    named, whole, nobody = predictor([str(tmp_path / 'a.png'), tmp_path / 'a.png', image], [boxes, None, boxes[:0]])
    np.testing.assert_allclose(named.keypoints, poses.keypoints, atol=1e-3)
    np.testing.assert_array_equal(whole.boxes, [[0, 0, 320, 240]])
    shapes = [value.shape for value in (nobody.keypoints, nobody.scores, nobody.boxes, nobody.box_scores)]
    assert shapes == [(0, 17, 2), (0, 17), (0, 4), (0,)] and predictor([]) == []
    frame = Frame('a', image, boxes=boxes, box_scores=np.full(len(boxes), 0.5))
    own, given = predictor([frame, frame], [None, boxes[:1]])  # its boxes, unless others are passed
    np.testing.assert_array_equal(own.boxes, boxes)
    assert set(own.box_scores) == {0.5} and given.box_scores.tolist() == [1]
    some = predictor(image, [[900, 0, 950, 50], *boxes, [0, 0, 0, 9]])
    np.testing.assert_allclose(some.keypoints, poses.keypoints, atol=1e-3)
    assert [line.split()[1] for line in some.dropped] == ['0', str(len(boxes) + 1)]


def test_poses_know_their_model_and_keep_the_image_except_in_a_stream(predictor):
    image, boxes = rendered(1)
    poses = predictor(image, boxes)
    assert poses.names[:2] == ['nose', 'left_eye'] and poses._repr_png_()
    np.testing.assert_array_equal(poses.image, image)
    ((_, poses),) = predictor.stream([Frame('a', image, boxes=boxes)])
    assert poses.image is None and poses.names[0] == 'nose' and poses.plot(image).shape == image.shape


def test_people_share_batches_and_every_frame_comes_in_order(predictor, monkeypatch):
    sizes, run = [], predictor.model.run
    monkeypatch.setattr(predictor.model, 'run', lambda crops: sizes.append(len(crops)) or run(crops))
    results = list(predictor.stream(frames(11)))
    people = sum(len(frame.boxes) for frame in frames(11))
    assert sizes == [4] * (people // 4) + [people % 4]  # the last batch is not filled up
    assert [frame.index for frame, _ in results] == list(range(11))
    expected = predictor([rendered(i)[0] for i in range(4)], [rendered(i)[1] for i in range(4)])
    for frame, poses in results:
        image, boxes = rendered(frame.index % 4)
        np.testing.assert_array_equal(frame.image, image)
        np.testing.assert_array_equal(poses.boxes, boxes)
        np.testing.assert_allclose(poses.keypoints, expected[frame.index % 4].keypoints, atol=1e-3)


def test_broken_frames_do_not_change_the_others(predictor, tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'\xff\xd8 nothing')
    good = list(predictor.stream(frames(8)))
    broken = [
        Frame(str(tmp_path / 'broken.jpg'), None),
        Frame('a video', None, error='it ends early'),
        np.zeros((3, 3), np.float32),
        tmp_path / 'absent.jpg',
    ]
    mixed = [item for pair in zip(frames(7), broken * 2, strict=False) for item in pair]  # the last batch is smaller
    results = list(predictor.stream(mixed))
    for (_, before), (_, after) in zip(good[:7], results[::2], strict=True):
        np.testing.assert_allclose(before.keypoints, after.keypoints, atol=1e-3)
        np.testing.assert_allclose(before.scores, after.scores, atol=1e-5)
    for frame, poses in results[1::2]:
        assert frame.image is None and '\n' not in frame.error
        assert poses.keypoints.shape == (0, 17, 2)
    assert [results[i][0].error.split(': ')[-1][:20] for i in (3, 7)] == ['it ends early', 'No such file or dire']


def test_memory_does_not_grow_and_the_stream_stops_with_its_consumer(predictor):
    """At most 3 batches of frames, and a few that are read ahead, are alive."""
    alive, closed, before = set(), [], threading.active_count()

    def endless():
        try:
            for i in range(10**6):
                image = rendered(0)[0].copy()
                alive.add(i)
                weakref.finalize(image, alive.discard, i)
                yield image
        finally:
            closed.append(True)

    stream = predictor.stream(endless())
    counts = [len(alive) for _, _ in zip(range(150), stream, strict=False)]
    time.sleep(0.3)
    assert max(*counts, len(alive)) <= 4 * predictor.batch_size + 2 * predictor._threads + 2
    assert max(counts[75:]) <= max(counts[:75]) + predictor.batch_size
    stream.close()
    assert closed and threading.active_count() <= before + predictor._threads


@pytest.mark.parametrize('batch_size', [1, 4])
def test_an_exception_of_the_frames_is_raised_after_the_poses_of_those_before_it(predictor, tmp_path, batch_size):
    image = rendered(0)[0]
    cv2.imwrite(str(tmp_path / 'a.png'), image)

    def unplugged():
        yield from [image, tmp_path / 'a.png', image, image, tmp_path / 'a.png', tmp_path / 'a.png']
        raise OSError('camera unplugged')

    errors = []
    with pytest.raises(OSError, match='^camera unplugged$'):
        for frame, poses in PosePredictor(predictor.model, batch_size=batch_size).stream(unplugged()):
            errors.append(frame.error)
            assert len(poses.keypoints) == 1
    assert errors == [None] * 6


@pytest.mark.parametrize('kind', ['array', 'bytes', 'path', 'Pillow'])
def test_a_live_frame_of_any_kind_is_taken_after_the_one_before_was_predicted(predictor, tmp_path, kind):
    image, taken = rendered(0)[0], []
    cv2.imwrite(str(path := tmp_path / 'a.png'), image)
    kinds = dict(array=image, bytes=path.read_bytes(), path=path, Pillow=Image.open(path))

    def camera():
        for i in range(4):
            taken.append(i)
            yield kinds[kind]
        raise OSError('camera unplugged')

    seen = []
    with pytest.raises(OSError, match='^camera unplugged$'):
        for frame, _ in predictor.stream(camera(), live=True):
            assert frame.error is None
            seen.append(len(taken))
    assert seen == [1, 2, 3, 4]


@pytest.mark.parametrize('method', ['__iter__', '__next__'])
def test_an_iterable_that_fails_at_once(predictor, method):
    def fail(self):
        raise OSError(method)

    broken = type('Broken', (), {'__iter__': lambda self: self, '__next__': None, method: fail})
    with pytest.raises(OSError, match=method):
        list(predictor.stream(broken()))


@pytest.mark.slow
def test_a_stream_whose_frames_never_come_can_be_closed(predictor):
    released = threading.Event()

    def stuck():
        yield Frame('a', rendered(0)[0], boxes=np.zeros((0, 4)))
        released.wait(60)
        yield from ()

    stream = predictor.stream(stuck())
    next(stream)
    start = time.monotonic()
    stream.close()
    assert time.monotonic() - start < 30 and not released.is_set()
    released.set()


@pytest.mark.skipif(not hasattr(os, 'fork'), reason='this system cannot fork')
@pytest.mark.parametrize('is_used', [False, True])
def test_a_predictor_that_was_used_is_refused_in_a_forked_process(is_used):
    """Its threads are missing there, so that it would wait forever."""
    image = np.zeros((8, 8, 3), np.uint8)
    model = SimpleNamespace(device='cpu', crop_rule=CropRule((8, 8)), num_keypoints=1, metainfo={})
    model.predict = lambda crops: (np.zeros((len(crops), 1, 2)), np.ones((len(crops), 1)))
    predictor = PosePredictor(model)
    assert not is_used or predictor(image).scores == 1
    forking = multiprocessing.get_context('fork')
    received, sent = forking.Pipe(duplex=False)

    def predict():
        try:
            sent.send(str(predictor(image).scores))
        except ValueError as problem:
            sent.send(str(problem))

    (child := forking.Process(target=predict, daemon=True)).start()
    try:
        assert received.poll(30)
        expected = f"used in process {os.getpid()}, .* {child.pid}: load the model in each process, or .* 'spawn'"
        assert re.search(expected if is_used else r'^\[\[1\.\]\]$', received.recv())
    finally:
        child.kill()


HANGING = """
import signal, threading
from types import SimpleNamespace
import numpy as np
from vitpose import PosePredictor
from vitpose.predict.models.crops import CropRule
from vitpose.predict.poses import Frame

def hanging():
    yield Frame('a', np.zeros((8, 8, 3), np.uint8), boxes=np.zeros((0, 4)))
    threading.Event().wait()

signal.signal(signal.SIGALRM, signal.default_int_handler)
model = SimpleNamespace(device='cpu', crop_rule=CropRule((8, 8)), num_keypoints=1, metainfo={})
stream = PosePredictor(model).stream(hanging())
print(next(stream)[0].name, flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize('end', ['stream.close()', 'signal.alarm(1)\nnext(stream)'])
def test_a_process_ends_although_its_frames_never_come(end):
    """For example those of a camera that hangs: after the stream is closed, and after a signal."""
    ended = subprocess.run([sys.executable, '-c', HANGING + end], capture_output=True, text=True, timeout=30)
    assert ended.stdout == 'a\n'
    assert ended.stderr.endswith('KeyboardInterrupt\n') if 'alarm' in end else not ended.stderr, ended.stderr


def test_frames_without_people_do_not_wait_for_a_batch(predictor):
    seen = []

    def empty_then_wait():
        for i in range(3):
            yield Frame(str(i), rendered(0)[0], boxes=np.zeros((0, 4)))
        assert any(seen or time.sleep(0.05) for _ in range(100))
        yield rendered(0)[0]

    for frame, _ in predictor.stream(empty_then_wait()):
        seen.append(frame.name)
    assert seen[0] == '0'


def test_few_people_in_many_frames_do_not_wait_for_a_full_batch(predictor):
    """At most 2 x batch_size frames are kept back."""
    taken = []

    def sparse():
        for i in range(100):
            taken.append(i)
            image, boxes = rendered(0)
            yield Frame(str(i), image, boxes=boxes[:1] if i == 0 else boxes[:0])

    next(predictor.stream(sparse()))
    assert len(taken) < 40


def test_a_call_raises_for_an_image_that_cannot_be_read(predictor, tmp_path):
    (tmp_path / 'broken.jpg').write_bytes(b'')
    with pytest.raises(ValueError, match=r'broken.jpg: empty \(0 bytes\)'):
        predictor([rendered(0)[0], tmp_path / 'broken.jpg'])
    with pytest.raises(ValueError, match='2 images with 1 sets of boxes'):
        predictor([rendered(0)[0]] * 2, [None])


def test_a_detector_finds_the_people_of_frames_without_boxes(predictor):
    class Halves:
        batch_size, calls = 2, []

        def __call__(self, images):
            self.calls.append(len(images))
            return [(np.float32([[0, 0, 160, 240], [160, 0, 320, 240]]), np.float32([0.9, 0.8]))] * len(images)

    detecting = PosePredictor(predictor.model, Halves(), batch_size=4)
    image, boxes = rendered(0)
    inputs = [image, Frame('bad', None, error='bad'), Frame('own', image, boxes=boxes), image, image]
    poses = [poses for _, poses in detecting.stream(inputs)]
    assert [len(found.boxes) for found in poses] == [2, 0, len(boxes), 2, 2]
    np.testing.assert_array_equal(poses[3].box_scores, np.float32([0.9, 0.8]))
    assert detecting.detector.calls == [1, 1, 1]
    for value in (0, 2.5, [4], 'all'):
        with pytest.raises(ValueError, match=re.escape(f'batch_size={value!r}: expected an integer >= 1')):
            PosePredictor(predictor.model, batch_size=value)
    assert PosePredictor(predictor.model, batch_size=np.int64(3)).batch_size == 3
    with pytest.raises(ValueError, match=r'^model of type \w+: expected a name, .* load_model\(.*\) returns$'):
        PosePredictor(predictor.model.model)


class ForeignError(Exception):
    """As those of ONNX Runtime, which derive from Exception alone."""


class Faulty:
    """A model or detector `inner` with a fault that white pixels set off: `fault(results, which are white)`."""

    batch_size = 3

    def __init__(self, inner, fault):
        self.inner, self.fault, self.sizes = inner, fault, []

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def __call__(self, images):
        self.sizes.append(len(images))
        results, white = self.inner(images), np.array([image.max() == image.min() == 255 for image in images])
        return self.fault(results, white) if white.any() else results

    def predict(self, crops):
        self.sizes.append(len(crops))
        results, white = self.inner.predict(crops), crops.mean((1, 2, 3)) > 254
        return self.fault(results, white) if white.any() else results


def raising(error):
    def fault(results, white):
        raise error

    return fault


def spoiled(index, value):
    def fault(results, white):
        results[index][np.flatnonzero(white)[-1], -1] = value
        return results

    return fault


FAULTS = [
    *map(raising, (ForeignError('out of\n memory'), RuntimeError(), KeyError(), MemoryError(), StopIteration())),
    *(spoiled(index, value) for index in (0, 1) for value in (np.nan, np.inf)),
    lambda results, white: [values[:, :1] for values in results],  # keypoints that could be broadcast
    lambda results, white: [values[:-1] for values in results],
    lambda results, white: None,
]


def check_isolation(predictor, expected, step, white_boxes):
    """Between frames that fail, the others are predicted all the same; to the bit in batches of one person."""
    white = Frame('white.jpg', np.full((240, 320, 3), 255, np.uint8), boxes=white_boxes)
    results = list(predictor.stream(item for frame, _ in expected for item in (white, frame)))
    for frame, poses in results[::2]:
        assert frame.error.startswith(f'white.jpg: {step}: ') and '\n' not in frame.error and frame.image is None
        assert [len(a) for a in (poses.keypoints, poses.scores, poses.boxes, poses.box_scores, poses.rows)] == [0] * 5
    for (_, before), (frame, after) in zip(expected, results[1::2], strict=True):
        assert frame.error is None
        np.testing.assert_allclose(after.keypoints, before.keypoints, rtol=0, atol=1e-3 * (predictor.batch_size > 1))
        np.testing.assert_allclose(after.scores, before.scores, rtol=0, atol=1e-5 * (predictor.batch_size > 1))
    with pytest.raises(ValueError, match=f'white.jpg: {step}: '):
        predictor([white], [white_boxes])


@pytest.mark.parametrize('batch_size', [1, 5])
@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_of_the_network_is_the_error_of_its_frame(predictor, fault, batch_size):
    expected = list(PosePredictor(predictor.model, batch_size=batch_size).stream(frames(4)))
    faulty = PosePredictor(Faulty(predictor.model, fault), batch_size=batch_size)
    check_isolation(faulty, expected, 'network', np.float32([(60, 60, 180, 180)] * 3))  # its people are in two batches


@pytest.mark.parametrize('fault', [*FAULTS[:5], lambda results, white: results[:-1], lambda results, white: [3]])
def test_a_fault_of_the_detector_is_the_error_of_its_frame(predictor, fault):
    boxes = [(0, 0, 160, 240), (160, 0, 320, 240)]
    detector = Faulty(lambda images: [(np.float32(boxes), np.float32([0.9, 0.8]))] * len(images), fault)
    images = [rendered(i)[0] for i in range(4)]
    expected = list(PosePredictor(predictor.model, detector, batch_size=1).stream(images))
    assert [len(poses.boxes) for _, poses in expected] == [2] * 4
    check_isolation(PosePredictor(predictor.model, detector, batch_size=1), expected, 'detector', None)
    assert set(detector.sizes) >= {1, 3}


@pytest.mark.parametrize('error', [cv2.error('no'), MemoryError(), ForeignError()])
def test_a_fault_in_cropping_is_the_error_of_its_frame(predictor, monkeypatch, error):
    def warp(image, *arguments, **options):
        if image.min() == 255:
            raise error
        return inner(image, *arguments, **options)

    expected, inner = list(predictor.stream(frames(4))), cv2.warpAffine
    monkeypatch.setattr(cv2, 'warpAffine', warp)
    check_isolation(predictor, expected, 'crop', np.float32([(60, 60, 180, 180)] * 6))


@pytest.mark.parametrize('error', [cv2.error('no'), MemoryError(), ForeignError('two\nlines'), OSError(5, 'disk')])
def test_a_fault_in_reading_is_the_error_of_its_frame(predictor, monkeypatch, error):
    monkeypatch.setattr('vitpose.predict.inputs.images.read_image', raising(error))
    image, boxes = rendered(0)
    results = list(predictor.stream(['a.jpg', Frame('b', image, boxes=boxes)]))
    assert results[0][0].error.startswith('a.jpg: ') and '\n' not in results[0][0].error
    assert len(results[1][1].keypoints) == len(boxes)


class Hostile:
    def __iter__(self):
        raise ForeignError('no boxes')


def test_boxes_that_cannot_be_listed_are_the_error_of_their_frame(predictor):
    (frame, poses), (_, others) = predictor.stream([Frame('a', rendered(0)[0], boxes=Hostile()), rendered(0)[0]])
    assert frame.error == 'a: boxes: ForeignError: no boxes' and poses.keypoints.shape == (0, 17, 2)
    assert len(others.keypoints) == 1


@pytest.mark.parametrize('axis', [0, 1])
def test_an_image_that_opencv_cannot_crop_is_one_error(predictor, axis):
    image, boxes = rendered(0)
    padding = [(0, 0)] * 3
    padding[axis] = (0, 39_000)
    frames = [Frame('a', np.pad(image, padding), boxes=boxes), Frame('b', image, boxes=boxes)]
    (long, _), (good, poses) = predictor.stream(frames)
    assert long.error.startswith('a: crop: ') and long.error.endswith('OpenCV crops at most 32766 per side')
    assert good.error is None and len(poses.keypoints) == len(boxes)


@pytest.mark.parametrize('count', [1, 2, 3, 5, 8, 11])
def test_batches_are_filled_up_on_a_gpu_only_to_1_8_32_or_64(predictor, monkeypatch, count):
    image, boxes = rendered(0)
    frame = Frame('a', image, boxes=np.resize(boxes, (count, 4)))
    model = Faulty(predictor.model, lambda results, white: results)  # rows that fill a batch up may be white
    (_, expected), *_ = PosePredictor(model, batch_size=8).stream([frame])
    assert model.sizes == [count] if count <= 8 else [8, count - 8]
    model.sizes, model.device = [], 'cuda:0'
    (_, filled), *_ = PosePredictor(model, batch_size=8).stream([frame])
    assert model.sizes == {1: [1], 2: [8], 3: [8], 5: [8], 8: [8], 11: [8, 8]}[count]
    np.testing.assert_allclose(filled.keypoints, expected.keypoints, atol=1e-3)


def test_images_that_wait_are_bounded_in_bytes(predictor, monkeypatch):
    """At most MAX_BYTES that are read, twice that in batches, and a frame in the hands of each of three threads."""
    monkeypatch.setattr(batching, 'MAX_BYTES', limit := 4 * 320 * 240 * 3)
    alive, peak = {}, []

    def images(scales):
        for i, scale in enumerate(scales):
            image = np.zeros((240 * scale, 320, 3), np.uint8)
            alive[i] = image.nbytes
            weakref.finalize(image, alive.pop, i)
            peak.append(sum(alive.values()))
            yield image

    many = PosePredictor(predictor.model, batch_size=64)
    for scales, largest in (([1] * 60, 1), ([2] * 30, 2), ([9] * 8, 9), ([1, 1, 1, 9] * 8, 9)):
        peak.clear()
        assert len([None for _ in many.stream(images(scales))]) == len(scales)
        assert max(peak) <= 3 * limit + 4 * largest * limit // 4, (scales, max(peak) / limit)


def test_kinds_of_images(predictor, tmp_path):
    image, boxes = rendered(0)
    cv2.imwrite(str(tmp_path / 'a.png'), image)
    data = (tmp_path / 'a.png').read_bytes()
    rgb = Image.fromarray(np.ascontiguousarray(image[..., ::-1]))
    turned = rgb.transpose(Image.Transpose.ROTATE_90)
    (exif := Image.Exif())[0x112] = 6  # to be turned clockwise
    turned.save(file := io.BytesIO(), 'PNG', exif=exif)
    opened = [Image.open(tmp_path / 'a.png'), Image.open(file), rgb.convert('RGBA')]
    kinds = [image, str(tmp_path / 'a.png'), tmp_path / 'a.png', data, bytearray(data), memoryview(data), rgb, *opened]
    gray = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    for frame, _ in predictor.stream(kind for kind in kinds):
        np.testing.assert_array_equal(frame.image, image)
    for poses in predictor(kind for kind in kinds):
        np.testing.assert_array_equal(poses.image, image)
    for kind in (Image.fromarray(gray), Image.fromarray(gray.astype(np.uint16) << 8)):
        ((frame, _),) = predictor.stream([kind])
        np.testing.assert_array_equal(frame.image, np.dstack([gray] * 3))
    np.testing.assert_array_equal(predictor(rgb, boxes).keypoints, predictor(image, boxes).keypoints)


@pytest.mark.parametrize(
    ('item', 'message'),
    [
        ('http://127.0.0.1:1/a.jpg', 'http://127.0.0.1:1/a.jpg: cannot be opened: '),
        ('data:image/png;base64,aaaa', 'expected a path, or a URL that starts with http'),
        (b'not an image', 'image 0: not an image'),
        (b'', 'image 0: empty'),
        (None, 'image 0: NoneType: expected a path or URL, an array'),
        ({'image': 'a.jpg'}, 'image 0: dict: expected a path'),
        (io.BytesIO(), 'image 0: BytesIO: expected .* bytes'),
        (Image.new('F', (4, 4)), 'float32: expected uint8'),
    ],
)
def test_other_kinds_are_named_with_the_way_out(predictor, item, message):
    with pytest.raises(ValueError, match=message):
        predictor(item)
    ((frame, _), (good, _)) = predictor.stream([item, rendered(0)[0]])
    assert frame.error and good.error is None


@pytest.mark.parametrize('item', ['a.jpg', b'', np.zeros((4, 4, 3), np.uint8), Image.new('RGB', (4, 4)), None, 3])
def test_one_image_is_no_stream(predictor, item):
    with pytest.raises(ValueError, match='stream: expected an iterable of images or frames, got .* pass a list'):
        predictor.stream(item)


@pytest.mark.slow
def test_one_image_in_a_stream_takes_as_long_as_a_call(predictor):
    """At most 1.3 times; the batch was filled up once, which took 16 times as long."""
    ((image, boxes), times) = rendered(0), {'call': [], 'stream': []}
    frame = Frame('a', image, boxes=boxes[:1])
    slow = Faulty(predictor.model, None)
    slow.predict = lambda crops: time.sleep(0.05 * len(crops)) or predictor.model.predict(crops)
    single = PosePredictor(slow)
    for _ in range(9):
        for name, predict in (
            ('call', lambda: single(image, boxes[:1])),
            ('stream', lambda: [*single.stream([frame])]),
        ):
            start = time.perf_counter()
            predict()
            times[name].append(time.perf_counter() - start)
    assert statistics.median(times['stream']) <= 1.3 * statistics.median(times['call'])
