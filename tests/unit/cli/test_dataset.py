import json
import re
import shlex

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner import Runner, load_checkpoint
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import DATASETS, MODELS, TRANSFORMS
from PIL import Image, ImageOps
from pycocotools.coco import COCO

import vitpose_mm  # noqa: F401
from tests.unit.own_data import makers
from vitpose.cli.main import main
from vitpose.predict.detection.detector import Detector
from vitpose.predict.inputs.images import read_frame
from vitpose.predict.models.torch_model import read_test_set
from vitpose_mm.networks.vit_sizes import SIZES, Size


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmpose')


@pytest.fixture
def dataset(tmp_path, capsys):
    """A function that runs `vitpose dataset` with --out out, and returns the config, stdout and stderr."""

    def run(annotations, *options, out='out'):
        assert main(['dataset', str(annotations), '--out', str(tmp_path / out), *map(str, options)]) == 0
        return Config.fromfile(tmp_path / out / 'config.py'), *capsys.readouterr()

    return run


@pytest.mark.parametrize(
    ('more', 'several'),
    [([], False), ([[2, 4, 34, 42]], False), ([[30, 4, 34, 42]], True)],
    ids=['one', 'twice', 'two'],
)
def test_one_object_per_image_is_trained_on_whole_images_too(dataset, tmp_path, more, several):
    """`more` are boxes of further instances of an image; one that is there twice is one object."""
    content = makers.coco(20)
    content['annotations'] += [dict(content['annotations'][3], id=99, bbox=box) for box in more]
    path = makers.write_coco(tmp_path / 'mice', content)
    config, said, _ = dataset(path, '--arch', 'small', '--from', 'scratch')
    kinds = [step.type for step in config.train_dataloader.dataset.pipeline]
    assert ('RandomWholeImage' in kinds) != several and kinds.index('GetBBoxCenterScale') == 2 - several
    assert 'RandomWholeImage' not in [step.type for step in config.val_dataloader.dataset.pipeline]
    metainfo = read_test_set(config, 'config.py')[1]
    assert metainfo['objects'] == (None if several else 'two_pass')
    assert metainfo['box_share'] == pytest.approx([34 * 42 / 80 / 60] * 2, abs=1e-5)
    assert ('training also crops whole images' in said) != several and 'boxes take 29.75% to 29.75%' in said
    assert (tmp_path / 'out/detector.py').is_file() == several == (f'train {tmp_path}/out/detector.py' in said)


@pytest.mark.slow
def test_the_detector_of_several_objects_trains_and_finds_them(dataset, tmp_path):
    pytest.importorskip('mmdet')
    content = makers.coco(12)
    content['annotations'].append(dict(content['annotations'][3], id=99, bbox=[30, 4, 34, 42]))
    dataset(makers.write_coco(tmp_path / 'mice', content), '--arch', 'small', '--from', 'scratch')
    config = Config.fromfile(tmp_path / 'out/detector.py', format_python_code=False)
    config.update(load_from=None, launcher='none', experiment_name='detector')
    config.train_cfg.update(max_epochs=1, val_interval=1)
    for part in ('train', 'val'):
        config[f'{part}_dataloader'].update(num_workers=0, persistent_workers=False)
    runner = Runner.from_cfg(config)
    runner.train()
    assert runner.message_hub.get_scalar('val/coco/bbox_mAP').current() >= 0
    checkpoint = next((tmp_path / 'out/detector').glob('best_coco_bbox_mAP*.pth'))
    detector = Detector(tmp_path / 'out/detector.py', checkpoint, 'cpu', score_threshold=0)
    ((boxes, scores),) = detector([np.zeros((60, 80, 3), np.uint8)])
    assert boxes.shape == (len(scores), 4) and detector.categories == (0,)


def file_names(folder, split):
    return [image['file_name'] for image in json.loads((folder / f'{split}.json').read_text())['images']]


def test_bits_of_16_bit_images_are_those_of_the_whole_set_in_training_testing_and_prediction(dataset, tmp_path):
    """Cameras with 12 bits write images of 16; a dark one has values below 2**10, and is not brightened for that."""
    path = makers.write_coco(tmp_path / 'mice', makers.coco(20))
    for i, file in enumerate(sorted(path.parent.glob('*.png'))):
        deep = cv2.imread(str(file)).astype(np.uint16) << (4 if i % 2 else 1)
        cv2.imwrite(str(file), deep)
    config, said, _ = dataset(path, '--arch', 'small', '--from', 'scratch')
    assert '16-bit images are read as 12 bits per channel, here and in predictions\n' in said
    assert read_test_set(config, 'config.py')[1]['bits'] == 12
    dark = tmp_path / 'mice/frame 0.png'
    expected = (cv2.imread(str(dark), cv2.IMREAD_UNCHANGED) >> 4).astype(np.uint8)
    assert 0 < expected.max() < 32
    for loader, key in ((config.train_dataloader, 'image_file'), (config.test_dataloader, 'img')):
        reader = TRANSFORMS.build(loader.dataset.pipeline[0])
        np.testing.assert_array_equal(reader(dict(img_path=str(dark)))[key], expected)
    np.testing.assert_array_equal(read_frame(dark, 0, 12).image, expected)
    assert read_frame(dark, 0).image.max() > 100  # by its own values


def test_files_and_config(dataset, tmp_path):
    path, out = makers.write_coco(tmp_path / 'mäuse', makers.coco(20)), tmp_path / "Anna's mice"
    config, said, _ = dataset(path, '--arch', 'small', '--from', 'scratch', out="Anna's mice")
    splits = {split: COCO(str(out / f'{split}.json')) for split in ('train', 'val')}
    assert {split: len(coco.imgs) for split, coco in splits.items()} == {'train': 18, 'val': 2}
    for coco in splits.values():
        for row in coco.anns.values():
            image = coco.imgs[row['image_id']]
            number = int(image['file_name'].split()[1].removesuffix('.png'))
            np.testing.assert_array_equal(np.reshape(row['keypoints'], (4, 3)), makers.keypoints(number))
            assert row['bbox'] == [2, 4, 34, 42] and (image['width'], image['height']) == (80, 60)
            link = out / 'images' / image['file_name']
            assert link.is_symlink() and cv2.imread(str(link)).shape == (60, 80, 3)
    assert cv2.imread(str(out / 'preview.png')).shape[1] > 1000
    notes = (out / 'notes.txt').read_text().splitlines()
    assert len(notes) > 6 and all(f'- {note}\n' in said for note in notes)
    assert '1 pairs of left and right keypoints, by name: left_ear/right_ear' in said
    assert 'input 192x256: boxes are tall, median height / width 1.24' in said
    assert '100 epochs with batch size 4, learning rate 0.0015\n' in said
    assert 'augmentation: rotation up to 40 degrees, scale from 0.85 to 1.15' in said
    assert (
        f'vitpose train {shlex.quote(str(out / "config.py"))}\n' in said
        and '18 instances for training, 2 for validation' in said
    )

    assert len((out / 'config.py').read_text().splitlines()) <= 40
    model = MODELS.build(config.model)
    assert model.head.final_layer.out_channels == 4 and model.backbone.grid == (16, 12)
    training = DATASETS.build(config.train_dataloader.dataset)
    sample = training[0]
    assert sample['inputs'].shape == (3, 256, 192)
    assert sample['data_samples'].gt_instances.keypoint_target.shape == (1, 4, 5)
    assert training.metainfo['flip_indices'] == [0, 2, 1, 3]
    assert training.metainfo['skeleton_links'] == [(0, 1), (0, 2), (0, 3)]
    assert len(DATASETS.build(config.val_dataloader.dataset)) == 2
    last = config.param_scheduler[-1]
    assert config.augmentation[-1].rotate_factor == 40 and config.augmentation[-1].scale_factor == (0.85, 1.15)
    assert config.train_cfg.max_epochs == last.end == last.T_max and config.model.backbone.init_cfg is None


def network(img_size=(256, 192), **head):
    """A pose model of 2 blocks, 128 wide, for the names of makers.coco and one more."""
    backbone = dict(type='ViT', arch=dict(depth=2, embed_dim=128, num_heads=2), img_size=img_size)
    head = dict(dict(type='ClassicHead', in_channels=128, out_channels=5, loss=dict(type='KeypointMSELoss')), **head)
    return MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head))


@pytest.fixture
def mice(tmp_path):
    return makers.write_coco(tmp_path / 'data')


@pytest.mark.parametrize('decoder', [dict(deconv_channels=8), dict(type='SimpleHead')], ids=['classic', 'simple'])
def test_a_pose_model_of_any_size_is_the_start(decoder, dataset, mice, refuses, tmp_path):
    source, path = network(**decoder), tmp_path / 'pose.pth'
    meta = dict(cfg='model = dict(backbone=dict(arch=dict(depth=2, num_heads=2)))')
    torch.save(dict(state_dict=source.state_dict(), meta=meta), path)
    words = ['dataset', mice, '--out', tmp_path / 'other', '--from']
    refuses(*words, path, '--arch', 'base', message='pose.pth has 2 blocks of width 128; omit --arch')
    (tmp_path / 'bad.pth').write_bytes(b'not a checkpoint')
    refuses(*words, tmp_path / 'bad.pth', message='bad.pth')
    assert not (tmp_path / 'other').exists()
    config, said, _ = dataset(mice, '--from', path)
    assert len((tmp_path / 'out/config.py').read_text().splitlines()) <= 40
    assert config.load_from == str(path) and config.model.backbone.init_cfg is None and 'heads' not in said
    assert 'the first 1 of 2 blocks frozen' in said
    model = MODELS.build(config.model)
    load_checkpoint(model, config.load_from)
    for name, value in model.state_dict().items():
        assert 'final_layer' in name or torch.equal(value, source.state_dict()[name]), name
    assert model.head.final_layer.out_channels == 4 and model.backbone.layers[0].attn.num_heads == 2
    trained = [any(weight.requires_grad for weight in block.parameters()) for block in model.backbone.layers]
    assert trained == [False, True]


@pytest.mark.parametrize(
    'options', [dict(stride=8), dict(attention=dict(window_size=(8, 6)))], ids=['stride', 'windows']
)
def test_the_stride_and_windows_of_the_start_are_kept(options, dataset, mice, tmp_path):
    backbone = dict(type='ViT', arch=dict(depth=2, embed_dim=128, num_heads=2), img_size=(256, 192), **options)
    stride = options.get('stride', 16)
    head = dict(type='ClassicHead', in_channels=128, out_channels=5, feature_stride=stride)
    head['loss'] = dict(type='KeypointMSELoss')
    source = MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head))
    meta = dict(cfg=Config(dict(model=dict(backbone=backbone))).pretty_text)
    torch.save(dict(state_dict=source.state_dict(), meta=meta), tmp_path / 'pose.pth')
    config, *_ = dataset(mice, '--from', tmp_path / 'pose.pth')
    assert config.model.backbone.pretrain_img_size == (256, 192)
    model = MODELS.build(config.model)
    load_checkpoint(model, config.load_from)
    images = torch.randn(1, 3, 256, 192)
    with torch.no_grad():
        maps, expected = (each.eval().backbone(images)[0] for each in (model, source))
        assert model.head.train().forward((maps,)).shape == (1, 4, 64, 48)  # its last layer is new
    assert torch.equal(maps, expected)


@pytest.mark.parametrize('recorded', [True, False])
def test_a_named_size_with_other_heads_keeps_its_heads(recorded, dataset, mice, refuses, tmp_path, monkeypatch):
    """DINOv2's ViT-S has the depth and width of ViTPose-S, but half as many attention heads."""
    monkeypatch.setitem(SIZES, 'small', Size(2, 128, 4))
    weights, path = network(img_size=(224, 224)).backbone.state_dict(), tmp_path / 'vit.pth'
    if not recorded:  # DINOv2 has 64 channels per head
        weights = {key.replace('layers.', 'blocks.').replace('last_', ''): value for key, value in weights.items()}
        weights |= {'cls_token': torch.ones(1, 1, 128), 'blocks.0.ls1.gamma': torch.ones(128)}
    torch.save(weights, path)
    config, said, _ = dataset(mice, '--from', path)
    assert config.model.backbone.arch == dict(depth=2, embed_dim=128, num_heads=2) and 'assumed' not in said
    words = ('dataset', mice, '--out', tmp_path / 'other', '--from', path, '--arch', 'small')
    refuses(*words, message='2 blocks of width 128, 2 attention heads; omit --arch')


def test_a_vit_alone_is_the_start(dataset, mice, tmp_path):
    source, path = network().backbone, tmp_path / 'vit.pth'
    torch.save(dict(source.state_dict()), path)  # without what the model recorded
    config, said, _ = dataset(mice, '--from', path)
    assert '- 2 attention heads of 64 channels assumed' in said and '- vit.pth is a ViT alone: the decoder' in said
    assert config.get('load_from') is None and config.model.backbone.init_cfg.checkpoint == str(path)
    model = MODELS.build(config.model)
    model.init_weights()
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.backbone.state_dict().items())
    assert all(weight.requires_grad for weight in model.parameters()) and 'frozen' not in said


def test_the_config_says_the_size_of_the_checkpoints_training(dataset, mice, tmp_path, monkeypatch):
    """Files of others record no grid: in a landscape model, 192 positions could be 16x12 or 12x16."""
    monkeypatch.setattr('vitpose.own_data.dataset_folder.choose_input_size', lambda *_: ((256, 192), 'wide'))
    source = network(img_size=(192, 256))
    for name, model in (('pose', source), ('vit', source.backbone)):
        torch.save(dict(state_dict=model.state_dict(), meta={}), tmp_path / f'{name}.pth')
        config, said, _ = dataset(mice, '--from', tmp_path / f'{name}.pth', out=name)
        assert config.model.backbone.pretrain_img_size == (192, 256) and 'pretrain_img_size' not in said
    foreign = {key.replace('layers.', 'blocks.'): value for key, value in source.backbone.state_dict().items()}
    torch.save(foreign, tmp_path / 'foreign.pth')
    config, said, _ = dataset(mice, '--from', tmp_path / 'foreign.pth')
    assert config.model.backbone.pretrain_img_size == (256, 192)
    assert '192 positions: a grid of 16x12 is assumed, as in published files; if it differs, change pretrain_' in said
    MODELS.build(config.model).init_weights()


def test_tiny_is_the_shipped_model_at_a_smaller_input(dataset, mice, refuses, tmp_path):
    config, said, _ = dataset(mice, '--arch', 'tiny')
    assert config.load_from.endswith('tiny.safetensors') and config.input_size == (144, 192)
    assert 'input 144x192: boxes are tall' in said and config.optim_wrapper.optimizer.lr == 5e-4
    scratch = dataset(mice, '--arch', 'tiny', '--from', 'scratch', out='scratch')[0]
    assert scratch.get('load_from') is None and scratch.optim_wrapper.optimizer.lr == 1.5e-3
    shapes = [{name: w.shape for name, w in MODELS.build(c.model).named_parameters()} for c in (config, scratch)]
    assert shapes[0] == shapes[1] and config.model.backbone.arch.depth == 6
    torch.save(dict(state_dict=network().state_dict()), tmp_path / 'pose.pth')
    words = ['dataset', mice, '--out', tmp_path / 'other', '--arch', 'tiny', '--from', tmp_path / 'pose.pth']
    refuses(*words, message='has 2 blocks of width 128; omit --arch')


def test_a_side_without_partner_is_not_flipped(dataset, tmp_path):
    config, said, _ = dataset(makers.write_coco(tmp_path, makers.coco(names=['nose', 'left_ear', 'neck', 'tail'])))
    assert [step.type for step in config.augmentation] == ['FastRandomBBoxTransform']
    assert not config.model.test_cfg.flip_test
    assert len(np.unique(parse_pose_metainfo(config.dataset_info)['keypoint_colors'], axis=0)) == 4
    assert "'left_ear' says left or right, but no name is its counterpart" in said


def test_without_pairs_in_flip_idx_images_are_not_flipped(dataset, tmp_path):
    """The names have a pair."""
    data = makers.write_yolo(tmp_path / 'data', count=10, kpt_names=makers.NAMES, flip_idx=[])
    config, said, _ = dataset(data, '--arch', 'small', '--from', 'scratch')
    assert '- the annotations declare no pairs (flip_idx: []): training does not flip images\n' in said
    assert not config.model.test_cfg.flip_test
    assert [step.type for step in config.augmentation] == ['FastRandomBBoxTransform']


def test_faults_are_named_left_out_and_strict_refuses_them(dataset, tmp_path, capsys):
    content = makers.coco(20)
    path = makers.write_coco(tmp_path / 'data', content)
    content['annotations'][3]['bbox'] = [2, 4, 0, 42]
    path.write_text(json.dumps(content))
    (tmp_path / 'data/frame 7.png').unlink()
    (tmp_path / 'data/frame 8.png').write_bytes(b'')
    assert main(['dataset', str(path), '--copy', '--out', str(tmp_path / 'strict'), '--strict']) == 1
    assert '--strict: 3 kinds of problems, nothing is written' in capsys.readouterr().err
    assert not (tmp_path / 'strict').exists()
    _, _, said = dataset(path, '--copy')
    for fault in ('1 images are missing: ', '1 images are broken: ', '1 instances have a box without area: '):
        assert f'- left out: {fault}' in said
    assert 'annotations[3]' in said and 'frame 7.png' in said and 'frame 8.png is empty' in said
    names = file_names(tmp_path / 'out', 'train') + file_names(tmp_path / 'out', 'val')
    assert len(names) == 17 and not (tmp_path / 'out/images/frame 1.png').is_symlink()
    (tmp_path / 'out/images' / names[0]).write_bytes(b'x')
    assert main(['check', str(tmp_path / 'out/config.py')]) == 1
    assert '- fault: 1 images are broken' in capsys.readouterr().out


def test_known_keypoints_bring_what_mmpose_knows_of_them(dataset, tmp_path):
    names = 'Nose LEye REye LEar REar LShoulder RShoulder LElbow RElbow LWrist RWrist LHip RHip LKnee RKnee LAnkle'
    names = ['RAnkle', *names.split()]
    content = makers.coco(12)
    content['categories'][0].update(keypoints=names, skeleton=[])
    for row in content['annotations']:
        row['keypoints'] = [value for i in range(17) for value in (10 + i, 10 + 2 * i, 2)]
    config, said, _ = dataset(makers.write_coco(tmp_path / 'data', content))
    assert "the keypoints are those of MMPose's coco: names, sigmas" in said and 'our choice' not in said
    meta = parse_pose_metainfo(config.dataset_info)
    coco = parse_pose_metainfo(dict(from_file='configs/_base_/datasets/coco.py'))
    order = [16, *range(16)]
    assert [meta['keypoint_id2name'][i] for i in range(17)] == [coco['keypoint_id2name'][i] for i in order]
    np.testing.assert_allclose(meta['sigmas'], coco['sigmas'][order])
    assert meta['lower_body_ids'] == [0, *range(12, 17)] and len(meta['skeleton_links']) == 19
    assert meta['flip_indices'][0] == 16 and config.default_hooks.checkpoint.save_best == 'coco/AP'


@pytest.mark.parametrize('scaled', [True, False])
def test_labels_of_another_size_are_scaled_on_request(scaled, dataset, refuses, tmp_path):
    content = makers.coco(12)
    path = makers.write_coco(tmp_path / 'data', content)
    for image in content['images']:
        image.update(width=160, height=120)
    path.write_text(json.dumps(content))
    if scaled:
        _, said, _ = dataset(path, '--scale-labels', '--val', '0.5')
        assert 'the labels of 12 images are scaled to the size of the files' in said
        row = COCO(str(tmp_path / 'out/train.json')).anns[1]
        assert row['bbox'] == [1, 2, 17, 21] and row['keypoints'][9:] == [15, 20, 2]
    else:
        assert main(['dataset', str(path), '--out', str(tmp_path / 'out')]) == 2
        assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('orientation', [3, 6, 8])
def test_labels_of_images_that_exif_data_rotate_are_kept_or_turned(orientation, dataset, tmp_path, capsys):
    content, exif = makers.coco(12, name='frame {}.jpg'), Image.Exif()
    path, exif[274] = makers.write_coco(tmp_path / 'data', content), orientation
    stored = np.zeros((60, 80, 3), np.uint8)
    stored[38:43, 28:33] = 255  # around the last keypoint
    upright = ImageOps.exif_transpose(Image.open(write_jpeg(tmp_path / 'stored.jpg', stored, exif)))
    for i, image in enumerate(content['images']):
        stored[:8, :8] = 20 * i
        write_jpeg(tmp_path / 'data' / image['file_name'], stored, exif)
    if orientation > 4:
        assert main(['dataset', str(path), '--out', str(tmp_path / 'no')]) == 2
        assert 'otherwise --exif stored' in capsys.readouterr().err
    _, said, _ = dataset(path, '--exif', 'stored', '--val', '0.5')
    assert '12 images are rotated by EXIF data: labels are of the stored images' in said
    coco = COCO(str(tmp_path / 'out/train.json'))
    x, y, _ = coco.anns[1]['keypoints'][9:]
    assert np.array(upright)[int(y) - 1 : int(y) + 2, int(x) - 1 : int(x) + 2].min() > 200
    assert coco.anns[1]['bbox'] == {3: [44, 14, 34, 42], 6: [14, 2, 42, 34], 8: [4, 44, 42, 34]}[orientation]
    assert coco.imgs[1]['width'] == upright.width
    dataset(path, '--exif', 'upright', '--val', '0.5', out='upright')
    assert COCO(str(tmp_path / 'upright/train.json')).anns[1]['bbox'] == [2, 4, 34, 42]
    if orientation == 6:
        for image in content['images']:
            image.update(width=60, height=80)
        path.write_text(json.dumps(content))
        _, said, _ = dataset(path, '--exif', 'stored', '--val', '0.5', out='kept')
        assert '--exif stored: 12 images had the upright size: not turned' in said


@pytest.mark.parametrize(('orientation', 'box'), [(1, [2, 4, 34, 42]), (3, [44, 14, 34, 42]), (6, [14, 2, 42, 34])])
def test_fractions_of_the_stored_image_are_turned(orientation, box, dataset, tmp_path):
    """Of YOLO's labels nobody can tell of which image they are."""
    file, exif = makers.write_yolo(tmp_path / 'data', count=10), Image.Exif()
    exif[274] = orientation
    for path in sorted((tmp_path / 'data/images').rglob('*.png')):
        write_jpeg(path.with_suffix('.jpg'), np.array(Image.open(path)), exif)
        path.unlink()
    rows = {}
    for option in ('stored', 'upright'):
        dataset(file, '--exif', option, out=option)
        rows[option] = COCO(str(tmp_path / option / 'train.json')).anns[1]
    assert rows['stored']['bbox'] == box
    x, y = rows['upright']['keypoints'][:2]
    if orientation == 6:
        x, y = 60 - y / 80 * 60 - 1, x / 60 * 80  # fractions, turned clockwise
    elif orientation == 3:
        x, y = 79 - x, 59 - y
    np.testing.assert_allclose(rows['stored']['keypoints'][:2], (x, y), atol=0.6)


def write_jpeg(path, image, exif):
    Image.fromarray(image).save(path, exif=exif)
    return path


def test_tight_boxes_and_sizes_without_instances_are_said(dataset, tmp_path):
    content = makers.coco(12)
    for row in content['annotations']:
        xy = np.reshape(row['keypoints'], (4, 3))[[0, 2, 3], :2]
        row['bbox'] = [*xy.min(0).tolist(), *np.ptp(xy, 0).tolist()]
    content['annotations'][3]['keypoints'] = [1, 2, 2]
    config, said, problems = dataset(makers.write_coco(tmp_path / 'data', content))
    assert '11 boxes are the extent of their keypoints: they are treated as missing\n' in said
    assert 'no instance for validation is of size L: AP (L), AR (L) will be -1' in said
    assert '- left out: 1 rows cannot be read: ' in problems and 'annotations[3]: keypoints: expected 12' in problems
    assert config.default_hooks.checkpoint.save_best == 'PCK@0.05/PCK'


@pytest.mark.parametrize('several', [False, True])
def test_a_box_around_a_single_keypoint_is_not_derived_without_a_word(several, dataset, tmp_path):
    """The keypoint is always in its middle: a network that says so has the best score."""
    content = makers.coco(12, names=['nose'])
    content['annotations'] = [dict(row, bbox=None) for row in content['annotations']]
    if several:
        content['annotations'].append(dict(content['annotations'][3], id=99, keypoints=[20, 20, 2]))
    _, said, problems = dataset(makers.write_coco(tmp_path / 'data', content))
    contents = [json.loads((tmp_path / f'out/{part}.json').read_text()) for part in ('train', 'val')]
    rows = [row for content in contents for row in content['annotations']]
    assert {tuple(row['bbox'][2:]) for row in rows} == {(4, 4) if several else (80, 60)}
    assert ('12 boxes are the whole image: one labeled keypoint tells no size' in said) != several
    assert ('check: 13 instances have one labeled keypoint and no box' in problems) == several


def test_check_names_the_fields_that_training_and_evaluation_take_for_granted(dataset, mice, refuses, tmp_path, capsys):
    dataset(mice)
    file = tmp_path / 'out/val.json'
    content = json.loads(file.read_text())
    del content['annotations'][0]['area']
    file.write_text(json.dumps(content))
    assert main(['check', str(tmp_path / 'out/config.py')]) == 1
    wrong = f'{file}: annotations[0]: area: expected a number from 0, got nothing'
    assert f'- fault: 1 fields that the evaluation reads are wrong: {wrong}\n' in capsys.readouterr().out
    config = Config.fromfile(tmp_path / 'out/config.py')
    for metric, code in ((config.val_evaluator[0], 1), (dict(config.val_evaluator[0], ann_file='other.json'), 0)):
        config.val_evaluator = dict(type='PerDatasetEvaluator', metrics=[metric], datasets=[])
        config.test_evaluator = config.val_evaluator
        config.dump(tmp_path / 'several.py')
        assert main(['check', str(tmp_path / 'several.py')]) == code
        assert (f'wrong: {wrong}\n' in capsys.readouterr().out) == code
    categories, content['categories'] = content['categories'], []
    content['annotations'][0].update(area=1428, iscrowd=None)
    file.write_text(json.dumps(content))
    assert main(['check', str(tmp_path / 'out/config.py')]) == 1
    wrong = f'{file}: categories: expected a list of at least one, got 0: [], {file}: annotations[0]: iscrowd: expected'
    assert f'- fault: 2 fields that the evaluation reads are wrong: {wrong} 0 or 1' in capsys.readouterr().out
    content['categories'], content['annotations'][0]['iscrowd'] = categories, 0
    content['images'][0]['width'] = 160
    file.write_text(json.dumps(content))
    assert main(['check', str(tmp_path / 'out/config.py')]) == 1
    assert 'fault: 1 images differ in aspect ratio from the annotations: ' in capsys.readouterr().out
    del content['images'][0]['width']
    file.write_text(json.dumps(content))
    refuses('check', tmp_path / 'out/config.py', message=f'{file}: images[0]: width: expected a number above 0')


@pytest.mark.parametrize('kind', ['CheckedCocoDataset', 'CocoDataset'])
def test_check_reads_the_labels_where_a_config_validates_on_found_boxes(kind, dataset, mice, tmp_path, capsys):
    dataset(mice)
    config, file = tmp_path / 'out/config.py', tmp_path / 'out/val.json'
    content = json.loads(file.read_text())
    boxes = [dict(image_id=1, category_id=1, bbox=[x, 4, 34, 42], score=0.9) for x in (2, 30)]
    (tmp_path / 'out/boxes.json').write_text(json.dumps(boxes))
    text = config.read_text().replace("'CheckedCocoDataset'", repr(kind))
    config.write_text(text.replace("'val.json', pipe", "'val.json', bbox_file=data_root + 'boxes.json', pipe"))
    assert Config.fromfile(config).val_dataloader.dataset.bbox_file == f'{tmp_path}/out/boxes.json'
    assert main(['check', str(config), '--strict']) == 0
    count = len(content['annotations'])
    assert f'out, val: {len(content["images"])} images, {count} instances\n- nothing found' in capsys.readouterr().out
    file.write_text(json.dumps(content | dict(annotations=[])))  # as COCO's test-dev
    assert main(['check', str(config)]) == 0
    assert 'out, val: 1 images, 0 instances\n- check: 1 images have no instance' in capsys.readouterr().out


CHANGES = {
    'annotations[1]: id: expected a unique integer, got nothing': lambda c: c['annotations'][1].pop('id'),
    'annotations[0]: id: expected a unique integer, got 1': lambda c: c['annotations'][1].update(id=1),
    'annotations[1]: image_id: expected the id of an image': lambda c: c['annotations'][1].pop('image_id'),
    'annotations: expected a list, got nothing': lambda c: c.update(annotations=None),
}


def test_check_names_what_the_reader_takes_for_granted(dataset, mice, refuses, tmp_path):
    """Also where a config has MMPose's class, without our checks."""
    dataset(mice)
    config, file = tmp_path / 'out/config.py', tmp_path / 'out/train.json'
    settings, annotations = config.read_text(), file.read_text()
    for kind in ('CheckedCocoDataset', 'CocoDataset'):
        config.write_text(settings.replace("'CheckedCocoDataset'", repr(kind)))
        for message, change in CHANGES.items():
            content = json.loads(annotations)
            change(content)
            file.write_text(json.dumps(content))
            refuses('check', config, message=f'{file}: {message}')
        file.write_text('[]')
        refuses('check', config, message=f'{file}: expected a JSON object with images and annotations, got ')


def test_images_of_the_validation_set_are_left_out_of_training(dataset, tmp_path):
    for split, count in (('train', 12), ('val', 3)):
        makers.write_coco(tmp_path / split, makers.coco(count, name=f'{split} {{}}.png'))
        (tmp_path / split / 'mice.json').rename(tmp_path / f'{split}.json')
    _, _, said = dataset(tmp_path)  # of one seed: three are the same
    assert '- left out: 3 images are in training and validation: val 0.png = train 0.png' in said
    assert sorted(file_names(tmp_path / 'out', 'val')) == ['val 0.png', 'val 1.png', 'val 2.png']
    train = file_names(tmp_path / 'out', 'train')
    assert len(train) == 9 and 'train 0.png' not in train
    assert main(['check', str(tmp_path / 'out/config.py'), '--strict']) == 0


@pytest.mark.parametrize(('form', 'train', 'val'), [('yolo', 10, 2), ('deeplabcut', 6, 6)])
def test_other_formats(form, train, val, dataset, tmp_path, capsys):
    write = {'yolo': lambda folder: makers.write_yolo(folder, count=10), 'deeplabcut': makers.write_deeplabcut}[form]
    _, said, _ = dataset(write(tmp_path / 'data'))
    assert ('boxes derived from the keypoints, with a margin of 15%' in said) == (form == 'deeplabcut')
    assert main(['check', str(tmp_path / 'out/config.py'), '--strict']) == 0
    counts = f'out, train: {train} images, {train} instances\nout, val: {val} images, {val} instances\n'
    assert f'{counts}- nothing found' in capsys.readouterr().out


@pytest.fixture
def two_categories(tmp_path):
    """Images with a mouse and a rat, and a few with one of them."""
    content = makers.coco(24)
    content['categories'].append(dict(id=2, name='white rat', keypoints=['head', 'end']))
    rats = [
        dict(row, id=100 + row['id'], category_id=2, keypoints=row['keypoints'][:6]) for row in content['annotations']
    ]
    content['annotations'] = content['annotations'][:20] + rats[2:]
    return makers.write_coco(tmp_path / 'data', content)


@pytest.mark.parametrize(('category', 'name'), [('white rat', 'white_rat'), ('train', 'train_')])  # a module's method
def test_each_category_becomes_a_decoder_of_one_network(category, name, two_categories, tmp_path, capsys):
    out, folders = tmp_path / "Anna's", ('mouse', name)
    two_categories.write_text(two_categories.read_text().replace('white rat', category))
    assert main(['dataset', str(two_categories), '--category', 'each', '--arch', 'tiny', '--out', str(out)]) == 0
    said = capsys.readouterr().out
    alone = [Config.fromfile(out / f'{name}/config.py') for name in folders]
    assert [config.model.head.out_channels for config in alone] == [4, 2]
    joint = Config.fromfile(out / 'config.py')
    head, (width, height) = joint.model.head, joint.input_size
    assert {name: each.out_channels for name, each in head.heads.items()} == {'mouse': 4, name: 2}
    assert all(each.decoder.input_size == (width, height) for each in head.heads.values())
    assert joint.model.backbone == alone[0].model.backbone and joint.load_from == alone[0].load_from
    assert f'mouse, {name}\n- input {width}x{height}: boxes are tall' in said
    batch = joint.train_dataloader.batch_size
    assert f'one network for mouse, {name}: 100 epochs with batch size {batch}, best checkpoint by mouse/PCK' in said
    contents = {
        part: [json.loads((out / name / f'{part}.json').read_text()) for name in folders] for part in ('train', 'val')
    }
    files = {
        part: {image['file_name'] for content in each for image in content['images']} for part, each in contents.items()
    }
    assert not files['train'] & files['val'] and len(files['train'] | files['val']) == 24
    assert main(['check', str(out / 'config.py'), '--strict']) == 0

    dataset = DATASETS.build(joint.train_dataloader.dataset)
    assert [meta['num_keypoints'] for meta in dataset.metainfo['members'].values()] == [4, 2]
    assert batch == len(dataset) // 4 == sum(len(content['annotations']) for content in contents['train']) // 4
    samples = pseudo_collate([dataset[0], dataset[len(dataset) - 1]])
    model = MODELS.build(joint.model)
    losses = model(**model.data_preprocessor(samples, training=True), mode='loss')
    assert {'mouse/kpt', f'{name}/kpt'} <= losses.keys()


def test_categories_that_share_a_name_or_are_rare_are_refused(two_categories, tmp_path, refuses):
    content = json.loads(two_categories.read_text())
    content['categories'][1]['name'] = 'm:o'
    content['categories'][0]['name'] = 'm o'
    two_categories.write_text(json.dumps(content))
    message = 'categories m_o, m_o: the names must differ in letters and digits'
    refuses('dataset', two_categories, '--category', 'each', '--out', tmp_path / 'out', message=message)
    content['annotations'] = content['annotations'][:-15]
    two_categories.write_text(json.dumps(content).replace('m o', 'rare'))
    message = 'm:o: 7 annotated images: expected at least 10'
    refuses('dataset', two_categories, '--category', 'each', '--out', tmp_path / 'out', message=message)
    assert not (tmp_path / 'out').exists()


def test_a_category_of_which_all_videos_are_held_out_is_refused_with_the_reason(tmp_path, refuses):
    """Of two videos with mice, the other is held out for the rats."""
    content = makers.coco(36)
    for i, image in enumerate(content['images']):
        image['file_name'] = f'cage{i // 12}/frame_{i % 12}.png'
    content['categories'].append(dict(id=2, name='rat', keypoints=['head', 'end']))
    rats = [
        dict(row, id=100 + row['id'], category_id=2, keypoints=row['keypoints'][:6]) for row in content['annotations']
    ]
    content['annotations'] = content['annotations'][:24] + rats[12:]
    path = makers.write_coco(tmp_path / 'data', content)
    words = ('dataset', path, '--category', 'each', '--arch', 'tiny', '--out', tmp_path / 'out')
    refuses(*words, message='mouse: all its images are held out, for it or another category: --split-by image')
    assert main([*map(str, words), '--split-by', 'image']) == 0


def test_bad_input(refuses, tmp_path):
    path = makers.write_coco(tmp_path / 'data', makers.coco(3))
    refuses('dataset', path, '--out', tmp_path / 'out', message='3 annotated images: expected at least 10')
    assert not (tmp_path / 'out').exists()
    refuses('dataset', path, '--out', tmp_path, message='exists already')


def test_a_dataset_of_mostly_bad_instances_is_refused(dataset, tmp_path, capsys):
    """Repeated instances and those without labels do not count."""
    content = makers.coco(14)
    rows = content['annotations']
    content['annotations'] = [dict(row, id=99 * k + row['id']) for k in range(3) for row in rows]
    content['annotations'] += [dict(row, id=999 + row['id'], keypoints=[0] * 12) for row in rows]
    path = makers.write_coco(tmp_path / 'data', content)
    _, _, problems = dataset(path)
    assert '- left out: 28 instances repeat another instance of the same image: ' in problems
    for image in content['images'][:8]:
        image['width'] = 99
    path.write_text(json.dumps(content))
    assert main(['dataset', str(path), '--out', str(tmp_path / 'other')]) == 2
    said = capsys.readouterr().err
    assert '8 of 14 instances cannot be used: fix' in said and '8 images differ in aspect ratio from' in said


def test_one_missing_image_of_another_folder_leaves_the_split_as_it_is(dataset, tmp_path):
    content = makers.coco(14, name='photo {}.png')
    content['images'].append(dict(id=99, file_name='elsewhere/other.png', width=80, height=60))
    content['annotations'].append(dict(content['annotations'][0], id=99, image_id=99))
    path = makers.write_coco(tmp_path / 'data', content)
    (tmp_path / 'data/elsewhere/other.png').unlink()
    _, said, problems = dataset(path)
    assert '1 images are missing: ' in problems and 'split by images' in said


def test_coordinates_of_other_units_are_refused(tmp_path, capsys):
    shares, corners = makers.coco(12), makers.coco(12)
    for row in shares['annotations']:
        row['keypoints'] = (np.reshape(row['keypoints'], (4, 3)) / (80, 60, 1)).ravel().tolist()
    for row in corners['annotations']:
        row['keypoints'], row['bbox'] = [30, 20, 2, 60, 20, 2, 40, 40, 2, 70, 50, 2], [10, 10, 72, 52]
    for content, message in (
        (shares, '12 of 12 instances cannot be used'),
        (corners, 'boxes that look like x1 y1 x2 y2'),
    ):
        path = makers.write_coco(tmp_path / 'data', content)
        assert main(['dataset', str(path), '--out', str(tmp_path / 'out')]) == 2
        assert message in capsys.readouterr().err


def test_check_names_a_missing_file_of_mmposes_own_classes(refuses):
    message = 'vitpose check: annotations/all/InterHand2.6M_train_data.json: Annotation file does not exist'
    refuses('check', 'configs/hand/vitpose-base_interhand-256x256.py', message=message)


def test_check_reads_the_images_of_a_config_for_pretraining(tmp_path, capsys):
    images = [makers.write_image(tmp_path / f'images/{i}.png', i) for i in range(3)]
    dataset = dict(type='UnlabeledDataset', sources=[str(tmp_path / 'images')], pipeline=[])
    config = dict(model=dict(type='MAEPretrainer'), train_dataloader=dict(dataset=dataset))
    Config(config).dump(tmp_path / 'pretrain.py')
    assert main(['check', str(tmp_path / 'pretrain.py')]) == 0
    assert capsys.readouterr().out == 'UnlabeledDataset, train: 3 images, 0 instances\n- nothing found\n'
    images[1].write_bytes(b'')
    assert main(['check', str(tmp_path / 'pretrain.py')]) == 1
    assert 'fault: 1 images are broken: ' in capsys.readouterr().out


def test_check_reads_a_file_with_each_class_of_a_config(dataset, tmp_path, capsys):
    config, _, _ = dataset(
        makers.write_coco(tmp_path / 'data', makers.coco(20)), '--arch', 'small', '--from', 'scratch'
    )
    first = config.train_dataloader.dataset
    other = dict(first, type='CocoDataset', metainfo=dict(first.metainfo, dataset_name='other'))
    config.train_dataloader.dataset = dict(type='CombinedDataset', metainfo=first.metainfo, datasets=[first, other])
    config.dump(tmp_path / 'two.py')
    assert main(['check', str(tmp_path / 'two.py')]) == 0
    assert re.findall('(.*), train: 18 images', capsys.readouterr().out) == ['out', 'other']
