"""`vitpose dataset` and `vitpose check`: what they write, say and refuse."""

import json

import cv2
import numpy as np
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import load_checkpoint
from mmpose.registry import DATASETS, MODELS
from pycocotools.coco import COCO

import vitpose_mm  # noqa: F401
from tests.unit.own_data import makers
from vitpose.cli.main import main
from vitpose_mm.backbones.vit_sizes import SIZES, Size


@pytest.fixture
def made(tmp_path, capsys):
    """A dataset made of twenty images in COCO's form: its folder and what was printed."""
    path = makers.write_coco(tmp_path / 'mäuse', makers.coco(20))
    out = tmp_path / 'my mice'
    assert main(['dataset', str(path), '--out', str(out), '--arch', 'small', '--from', 'scratch']) == 0
    return out, capsys.readouterr()


def test_files(made):
    out, said = made
    parts = {part: COCO(str(out / f'{part}.json')) for part in ('train', 'val')}
    assert {part: len(coco.imgs) for part, coco in parts.items()} == {'train': 18, 'val': 2}
    for coco in parts.values():
        for row in coco.anns.values():
            image = coco.imgs[row['image_id']]
            number = int(image['file_name'].split()[1].removesuffix('.png'))
            np.testing.assert_array_equal(np.reshape(row['keypoints'], (4, 3)), makers.keypoints(number))
            assert row['bbox'] == [2, 4, 34, 42] and (image['width'], image['height']) == (80, 60)
            link = out / 'images' / image['file_name']
            assert link.is_symlink() and cv2.imread(str(link)).shape == (60, 80, 3)
    assert cv2.imread(str(out / 'preview.png')).shape[1] > 1000
    assert '1 pairs of left and right keypoints, by name: left_ear/right_ear' in said.out
    assert 'input 192x256: boxes are tall, median height / width 1.24' in said.out
    assert '100 epochs with batch size 4, learning rate 0.0015\n' in said.out
    assert 'augmentation: rotation up to 40 degrees, scale from 0.85 to 1.15' in said.out
    assert f'mim train mmpose {out}/config.py' in said.out and '18 instances for training, 2 for validation' in said.out


def test_the_config_is_short_and_complete(made):
    out, _ = made
    assert len((out / 'config.py').read_text().splitlines()) <= 40
    config = Config.fromfile(out / 'config.py')
    init_default_scope('mmpose')
    model = MODELS.build(config.model)
    assert model.head.final_layer.out_channels == 4 and model.backbone.grid == (16, 12)
    dataset = DATASETS.build(config.train_dataloader.dataset)
    sample = dataset[0]
    assert sample['inputs'].shape == (3, 256, 192)
    assert sample['data_samples'].gt_instances.keypoint_target.shape == (1, 4, 4)
    assert dataset.metainfo['flip_indices'] == [0, 2, 1, 3]
    assert dataset.metainfo['skeleton_links'] == [(0, 1), (0, 2), (0, 3)]
    assert len(DATASETS.build(config.val_dataloader.dataset)) == 2
    last = config.param_scheduler[-1]
    assert config.augmentation[-1].rotate_factor == 40 and config.augmentation[-1].scale_factor == (0.85, 1.15)
    assert config.train_cfg.max_epochs == last.end == last.T_max and config.model.backbone.init_cfg is None


def network(depth=2, decoder='ClassicHead', img_size=(256, 192), **decoder_options):
    """A pose model of `depth` blocks, 128 wide, for the names of makers.coco and one more."""
    backbone = dict(type='ViT', arch=dict(depth=depth, embed_dim=128, num_heads=2), img_size=img_size)
    head = dict(type=decoder, in_channels=128, out_channels=5, loss=dict(type='KeypointMSELoss'), **decoder_options)
    init_default_scope('mmpose')
    return MODELS.build(dict(type='TopdownPoseEstimator', backbone=backbone, head=head))


def save(path, model, **meta):
    torch.save(dict(state_dict=model.state_dict(), meta=meta), path)
    return path


def start_from(path, tmp_path, capsys, *options):
    """The config that `vitpose dataset --from path` writes, and what it says."""
    annotations = makers.write_coco(tmp_path / 'data')
    assert main(['dataset', str(annotations), '--out', str(tmp_path / 'out'), '--from', str(path), *options]) == 0
    return Config.fromfile(tmp_path / 'out/config.py'), capsys.readouterr().out


@pytest.mark.parametrize('decoder', [dict(deconv_channels=8), dict(decoder='SimpleHead')], ids=['classic', 'simple'])
def test_a_pose_model_of_any_size_is_the_start(decoder, tmp_path, capsys):
    source = network(**decoder)
    path = save(tmp_path / 'pose.pth', source, cfg='model = dict(backbone=dict(arch=dict(depth=2, num_heads=2)))')
    config, said = start_from(path, tmp_path, capsys)
    assert len((tmp_path / 'out/config.py').read_text().splitlines()) <= 40
    assert config.load_from == str(path) and config.model.backbone.init_cfg is None and 'heads' not in said
    assert 'the first 1 of 2 blocks frozen' in said
    init_default_scope('mmpose')
    model = MODELS.build(config.model)
    load_checkpoint(model, config.load_from)
    for name, value in model.state_dict().items():
        assert 'final_layer' in name or torch.equal(value, source.state_dict()[name]), name
    assert model.head.final_layer.out_channels == 4 and model.backbone.layers[0].attn.num_heads == 2
    trained = [any(weight.requires_grad for weight in block.parameters()) for block in model.backbone.layers]
    assert trained == [False, True]


@pytest.mark.parametrize('recorded', [True, False])
def test_a_named_size_with_other_heads_keeps_its_heads(recorded, tmp_path, capsys, monkeypatch):
    """DINOv2's ViT-S has the depth and width of ViTPose-S, but half as many attention heads."""
    monkeypatch.setitem(SIZES, 'small', Size(2, 128, 4))
    weights = network(img_size=(224, 224)).backbone.state_dict()
    if not recorded:  # DINOv2 has 64 channels per head
        weights = {key.replace('layers.', 'blocks.').replace('last_', ''): value for key, value in weights.items()}
        weights |= {'cls_token': torch.ones(1, 1, 128), 'blocks.0.ls1.gamma': torch.ones(128)}
    torch.save(weights, tmp_path / 'vit.pth')
    config, said = start_from(tmp_path / 'vit.pth', tmp_path, capsys)
    assert config.model.backbone.arch == dict(depth=2, embed_dim=128, num_heads=2) and 'assumed' not in said
    options = ['--out', str(tmp_path / 'other'), '--from', str(tmp_path / 'vit.pth'), '--arch', 'small']
    assert main(['dataset', str(tmp_path / 'data/mice.json'), *options]) == 2
    assert '2 blocks of width 128, 2 attention heads; omit --arch' in capsys.readouterr().err


def test_a_vit_alone_is_the_start(tmp_path, capsys):
    source = network().backbone
    path = tmp_path / 'vit.pth'
    torch.save(dict(source.state_dict()), path)  # without what the model recorded
    config, said = start_from(path, tmp_path, capsys)
    assert '- 2 attention heads of 64 channels assumed' in said and '- vit.pth is a ViT alone: the decoder' in said
    assert config.get('load_from') is None and config.model.backbone.init_cfg.checkpoint == str(path)
    init_default_scope('mmpose')
    model = MODELS.build(config.model)
    model.init_weights()
    assert all(torch.equal(value, source.state_dict()[name]) for name, value in model.backbone.state_dict().items())
    assert all(weight.requires_grad for weight in model.parameters()) and 'frozen' not in said


def test_the_config_says_the_size_of_the_checkpoints_training(tmp_path, capsys, monkeypatch):
    """Files of others record no grid: in a landscape model, 192 positions could be 16x12 or 12x16."""
    source = network(img_size=(192, 256))
    monkeypatch.setattr('vitpose.own_data.dataset_folder.choose_input_size', lambda boxes: ((256, 192), 'wide'))
    for name, heads in (('pose', True), ('vit', False)):
        model = source if heads else source.backbone
        path = save(tmp_path / f'{name}.pth', model)
        config, said = start_from(path, tmp_path / name, capsys)
        assert config.model.backbone.pretrain_img_size == (192, 256) and 'pretrain_img_size' not in said
    foreign = {key.replace('layers.', 'blocks.'): value for key, value in source.backbone.state_dict().items()}
    torch.save(foreign, tmp_path / 'foreign.pth')
    config, said = start_from(tmp_path / 'foreign.pth', tmp_path / 'foreign', capsys)
    assert config.model.backbone.pretrain_img_size == (256, 192)
    assumed = (
        '192 positions: a grid of 16x12 is assumed, as in published files; if it differs, change pretrain_img_size'
    )
    assert f'{assumed} in config.py' in said
    init_default_scope('mmpose')
    MODELS.build(config.model).init_weights()


def test_the_size_is_the_checkpoints(tmp_path, capsys):
    path, data = save(tmp_path / 'pose.pth', network()), makers.write_coco(tmp_path / 'data')
    command = ['dataset', str(data), '--out', str(tmp_path / 'out'), '--from', str(path)]
    assert main([*command, '--arch', 'base']) == 2
    assert 'pose.pth has 2 blocks of width 128; omit --arch' in capsys.readouterr().err
    path.write_bytes(b'not a checkpoint')
    assert main(command) == 2
    assert 'pose.pth' in capsys.readouterr().err and not (tmp_path / 'out').exists()


def test_a_side_without_partner_is_not_flipped(tmp_path, capsys):
    path = makers.write_coco(tmp_path, makers.coco(names=['nose', 'left_ear', 'neck', 'tail']))
    assert main(['dataset', str(path), '--out', str(tmp_path / 'out')]) == 0
    config = Config.fromfile(tmp_path / 'out/config.py')
    assert [step.type for step in config.augmentation] == ['FastRandomBBoxTransform']
    assert not config.model.test_cfg.flip_test
    assert "'left_ear' says left or right, but no name is its counterpart" in capsys.readouterr().out


def test_faults_are_named_left_out_and_strict_refuses_them(tmp_path, capsys):
    path = makers.write_coco(tmp_path / 'data', makers.coco(20))
    content = json.loads(path.read_text())
    content['annotations'][3]['bbox'] = [2, 4, 0, 42]
    path.write_text(json.dumps(content))
    (tmp_path / 'data/frame 7.png').unlink()
    (tmp_path / 'data/frame 8.png').write_bytes(b'')
    command = ['dataset', str(path), '--copy', '--out']
    assert main([*command, str(tmp_path / 'strict'), '--strict']) == 1
    assert '--strict: 3 kinds of problems, nothing is written' in capsys.readouterr().err
    assert not (tmp_path / 'strict').exists()
    assert main([*command, str(tmp_path / 'out')]) == 0
    said = capsys.readouterr().err
    for part in ('1 images are missing: ', '1 images are broken: ', '1 instances have a box without area: '):
        assert f'- left out: {part}' in said
    assert 'annotations[3]' in said and 'frame 7.png' in said and 'frame 8.png is empty' in said
    rows = [
        row for part in ('train', 'val') for row in json.loads((tmp_path / f'out/{part}.json').read_text())['images']
    ]
    assert len(rows) == 17 and not (tmp_path / 'out/images/frame 1.png').is_symlink()
    (tmp_path / 'out/images' / rows[0]['file_name']).write_bytes(b'x')
    assert main(['check', str(tmp_path / 'out/config.py')]) == 1
    assert '- fault: 1 images are broken' in capsys.readouterr().out


def test_images_of_the_validation_set_are_left_out_of_training(tmp_path, capsys):
    for split in ('train', 'val'):
        makers.write_coco(tmp_path / split, makers.coco(12 if split == 'train' else 3, name=f'{split} {{}}.png'))
        (tmp_path / split / 'mice.json').rename(tmp_path / f'{split}.json')
    assert main(['dataset', str(tmp_path), '--out', str(tmp_path / 'out')]) == 0  # of one seed: three are the same
    assert '- left out: 3 images are in training and validation: val 0.png = train 0.png' in capsys.readouterr().err
    names = {part: json.loads((tmp_path / f'out/{part}.json').read_text())['images'] for part in ('train', 'val')}
    assert sorted(image['file_name'] for image in names['val']) == ['val 0.png', 'val 1.png', 'val 2.png']
    assert len(names['train']) == 9 and 'train 0.png' not in {image['file_name'] for image in names['train']}
    assert main(['check', str(tmp_path / 'out/config.py'), '--strict']) == 0


@pytest.mark.parametrize('write', [makers.write_yolo, makers.write_deeplabcut], ids=['yolo', 'deeplabcut'])
def test_other_formats(write, tmp_path, capsys):
    path = write(tmp_path / 'data', **({'count': 10} if write is makers.write_yolo else {}))
    assert main(['dataset', str(path), '--out', str(tmp_path / 'out')]) == 0
    assert main(['check', str(tmp_path / 'out/config.py'), '--strict']) == 0
    said = capsys.readouterr().out
    counts = (10, 2) if write is makers.write_yolo else (6, 6)
    assert f'out, train: {counts[0]} images, {counts[0]} instances' in said
    assert f'out, val: {counts[1]} images, {counts[1]} instances\n- nothing found' in said
    assert ('boxes derived from the keypoints, with a margin of 15%' in said) == (write is makers.write_deeplabcut)


def test_each_category_becomes_a_dataset(tmp_path):
    content = makers.coco(24)
    content['categories'].append(dict(id=2, name='rat', keypoints=['head', 'end']))
    for row in content['annotations'][::2]:
        row.update(category_id=2, keypoints=row['keypoints'][:6])
    path = makers.write_coco(tmp_path / 'data', content)
    assert main(['dataset', str(path), '--category', 'each', '--out', str(tmp_path / 'out')]) == 0
    configs = {name: Config.fromfile(tmp_path / f'out/{name}/config.py') for name in ('mouse', 'rat')}
    assert {name: config.model.head.out_channels for name, config in configs.items()} == {'mouse': 4, 'rat': 2}


def test_bad_input(tmp_path, capsys):
    path = makers.write_coco(tmp_path / 'data', makers.coco(3))
    for words, message in (
        ([str(tmp_path / 'no.json')], 'no.json: no such file or folder'),
        ([str(path)], '3 annotated images: expected at least 10'),
        ([str(path), '--from', 'no.pth'], '--from no.pth: no such checkpoint'),
        ([str(path), '--category', 'rat'], "--category 'rat': the annotated categories are 'mouse'"),
    ):
        assert main(['dataset', *words, '--out', str(tmp_path / 'out')]) == 2
        error = capsys.readouterr().err
        assert message in error and error.count('\n') == 1
        assert not (tmp_path / 'out').exists()
    assert main(['dataset', str(path), '--out', str(tmp_path)]) == 2
    assert 'exists already' in capsys.readouterr().err
    assert main(['check', str(tmp_path / 'no.py')]) == 2
    assert 'no.py: no such config file' in capsys.readouterr().err
