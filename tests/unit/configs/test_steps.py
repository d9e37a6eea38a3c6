"""Every leaf config builds at full size on the meta device, and trains and tests for one step with a narrow model.

Configs that differ in the model size alone are the same config with a narrow model: one of them is trained.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import DATASETS, EVALUATORS, MODELS
from scipy.io import savemat

from tests.coco_files import noise_image, person
from tests.unit.configs.reading import POSE, RESIZED, copy_config, for_each, read_metainfo
from vitpose_mm.datasets.teacher_cache_dataset import fingerprint
from vitpose_mm.hooks.run_check import check_keypoints, check_targets
from vitpose_mm.input_size import set_input_size

HEIGHT, WIDTH = 240, 320
NARROW = dict(embed_dim=48, num_heads=3)
BOXES = [(20.0, 30.0, 120.0, 180.0), (150.0, 40.0, 140.0, 190.0)]  # x, y, w, h
PREFIXES = {'coco_wholebody': 'coco-wholebody'}  # metric prefixes that differ from the dataset's name
WHOLE_BODY = {'foot': 6, 'face': 68, 'lefthand': 21, 'righthand': 21}


def keypoints(box: tuple, number: int) -> np.ndarray:
    x, y, w, h = box
    return np.insert(np.random.default_rng(number).uniform(0.1, 0.9, (number, 2)) * (w, h) + (x, y), 2, 2, axis=1)


def annotation(number: int, box: tuple, body: int) -> dict:
    parts = {f'{part}_kpts': keypoints(box, k).ravel().tolist() for part, k in WHOLE_BODY.items()}
    boxes = {f'{part}_box': box for part in ('face', 'lefthand', 'righthand')}
    valid = {f'{part}_valid': part != 'righthand' for part in WHOLE_BODY}
    return person(number, box, keypoints(box, body), segmentation=[], **parts, **boxes, **valid)


def write_files(dataset: dict, folder: Path) -> dict:
    meta = read_metainfo(dataset)
    number = meta['num_keypoints']
    body = {133: 17, 21: 17}.get(number, number)
    noise_image(folder / '000001.png', np.random.default_rng(0), HEIGHT, WIDTH)
    image = dict(id=1, file_name='000001.png', height=HEIGHT, width=WIDTH, crowdIndex=0.5)
    people = [annotation(i + 1, box, body) for i, box in enumerate(BOXES)]
    content = dict(images=[image], annotations=people, categories=[dict(id=1, name='person', supercategory='person')])
    if meta['dataset_name'] == 'mpii':
        points = [np.reshape(person['keypoints'], (-1, 3)) for person in people]
        common = dict(image='000001.png', joints_vis=[1] * number)
        places = [dict(center=[x + w / 2, y + h / 2], scale=h / 200) for x, y, w, h in BOXES]
        content = [common | place | dict(joints=p[:, :2].tolist()) for place, p in zip(places, points, strict=True)]
    if meta['dataset_name'] == 'interhand3d':
        return write_hands(dataset, content, folder)
    detections = [dict(image_id=1, category_id=1, bbox=box, score=0.9) for box in BOXES]
    (folder / 'annotations.json').write_text(json.dumps(content))
    (folder / 'detections.json').write_text(json.dumps(detections))
    savemat(folder / 'heads.mat', dict(headboxes_src=np.array([[[0, 0]] * 2, [[30, 30]] * 2])))
    dataset = dict(dataset, data_root='', ann_file=str(folder / 'annotations.json'), data_prefix=dict(img=str(folder)))
    more = dict(bbox_file='detections.json', headbox_file='heads.mat')
    return dataset | {key: str(folder / more[key]) for key in more if dataset.get(key)}


def write_hands(dataset: dict, content: dict, folder: Path) -> dict:
    """Write InterHand2.6M's files: one annotation per image, seen by a camera at the origin."""
    joints = {}
    for image_id, annotated in enumerate(content['annotations'], 1):
        points = np.reshape(annotated['keypoints'], (-1, 3))
        joints[str(image_id)] = dict(world_coord=np.insert(points[:, :2], 2, 1, axis=1).tolist())
        annotated.update(image_id=image_id, joint_valid=[1] * len(points), hand_type='interacting', hand_type_valid=1)
    image = dict(content['images'][0], capture='0', camera='left')
    content['images'] = [dict(image, id=int(frame), frame_idx=int(frame)) for frame in joints]
    camera = dict(campos=[0, 0, 0], camrot=np.eye(3).tolist(), focal=[1, 1], princpt=[0, 0])
    cameras = {'0': {name: {'left': value} for name, value in camera.items()}}
    written = dict(ann_file=content, camera_param_file=cameras, joint_file={'0': joints})
    for key, value in written.items():
        (folder / f'{key}.json').write_text(json.dumps(value))
    paths = {key: str(folder / f'{key}.json') for key in written}
    return dict(dataset, data_root='', data_prefix=dict(img=str(folder)), **paths)


def write_data(loader: dict, evaluator: dict | list, folder: Path) -> None:
    """Write files for a dataloader's dataset or its members, and set their paths in the loader and the metrics."""
    combined = 'datasets' in loader.dataset
    metrics = evaluator.metrics if combined else evaluator if isinstance(evaluator, list) else [evaluator]
    if combined:
        folders = [folder / str(i) for i in range(len(loader.dataset.datasets))]
        for member_folder in folders:
            member_folder.mkdir(exist_ok=True)
        loader.dataset.datasets = list(map(write_files, loader.dataset.datasets, folders))
    else:
        folders = [folder] * len(metrics)
        loader.dataset = write_files(loader.dataset, folder)
    for metric, written in zip(metrics, folders, strict=True):
        if 'ann_file' in metric:
            metric.ann_file = str(written / 'annotations.json')


def write_teacher(teacher: dict, folder: Path) -> dict:
    config = copy_config(teacher.config)
    assert not {'config', 'checkpoint'} ^ set(teacher)
    narrow(config.model, depth=1)
    config.dump(folder / 'teacher.py')
    torch.save(MODELS.build(config.model).state_dict(), folder / 'teacher.pth')
    return dict(config=str(folder / 'teacher.py'), checkpoint=str(folder / 'teacher.pth'))


def write_cache(dataset: dict, head: dict, folder: Path) -> str:
    built, (width, height) = DATASETS.build(dataset), head.decoder.heatmap_size
    np.save(folder / 'seed0.npy', np.random.rand(len(built), head.out_channels, height, width).astype(np.float16))
    (folder / 'cache.json').write_text(json.dumps(dict(fingerprint(dataset, built), seeds=[0])))
    return str(folder)


def heads(model: dict) -> dict[str, dict]:
    """Return the decoders' configs by dataset; the key of a single decoder is ''."""
    return model.head.get('heads', {'': model.head})


def narrow(model: dict, depth: int) -> None:
    model.backbone.arch = dict(depth=depth, **NARROW)
    if model.backbone.get('experts'):
        model.backbone.experts.expert_dim = 16
    for head in heads(model).values():
        head.in_channels = NARROW['embed_dim']
        if head.type == 'ClassicHead':
            head.deconv_channels = 16


def small_config(leaf: Path, tmp_path: Path) -> Config:
    """Return a leaf config with a narrow model of two blocks, generated files, and all instances in one batch.

    The model has four blocks if its attention layout needs one block per quarter.
    """
    init_default_scope('mmpose')
    cfg = copy_config(leaf)
    model, attention = cfg.model, cfg.model.backbone.get('attention', {})
    quarters = attention != 'full' and attention.get('full_every_quarter')
    narrow(model, depth=4 if quarters else 2)
    if not attention and model.backbone.get('stride') == 8:  # full attention over many tokens is slow
        set_input_size(cfg._cfg_dict, 128, 96)
    model.test_cfg.output_heatmaps = True
    if model.get('teacher'):
        model.teacher = write_teacher(model.teacher, tmp_path)
    for name in ('train', 'val'):
        loader = cfg[f'{name}_dataloader']
        if loader is not None:
            loader.update(batch_size=2 * len(heads(cfg.model)), num_workers=0, persistent_workers=False)
            cached = loader.dataset.type == 'TeacherCacheDataset'
            write_data(loader.dataset if cached else loader, cfg.val_evaluator, tmp_path)
            if cached:
                loader.dataset.cache = write_cache(loader.dataset.dataset, model.head, tmp_path)
    torch.manual_seed(0)
    return cfg


@for_each(POSE)
def test_full_size_model_builds(leaf: Path) -> None:
    init_default_scope('mmpose')
    cfg = copy_config(leaf)
    decoders = heads(cfg.model)
    with torch.device('meta'), torch.no_grad():
        model = MODELS.build(cfg.model).eval()  # torch 2.1 cannot checkpoint on this device
        if cfg.get('optim_wrapper'):
            assert build_optim_wrapper(model, cfg.optim_wrapper).param_groups
        del model.backbone.layers[1:]  # the next test runs several blocks
        for size in {decoder.decoder.input_size for decoder in decoders.values()}:
            (width, height), names = size, [name for name in decoders if decoders[name].decoder.input_size == size]
            experts = [[name for name in names for _ in range(2)]] if cfg.model.backbone.get('experts') else []
            features = model.backbone(torch.empty(2 * len(names), 3, height, width), *experts)
            for name, *pair in zip(names, *(level.split(2) for level in features), strict=True):
                decoder, head = decoders[name], model.head.heads[name] if name else model.head
                assert pair[-1].shape[1] == decoder.in_channels  # not checked by a deconvolution on the meta device
                assert head(tuple(pair)).shape == (2, decoder.out_channels, height // 4, width // 4)


@pytest.mark.slow
@for_each([leaf for leaf in POSE if leaf not in RESIZED])
def test_one_training_and_one_test_step(leaf: Path, tmp_path: Path) -> None:
    small = small_config(leaf, tmp_path)
    model, decoders = MODELS.build(small.model), heads(small.model)
    multi = '' not in decoders
    if small.train_dataloader is None:
        assert small.get('optim_wrapper') is None
    else:
        optimizer = build_optim_wrapper(model, small.optim_wrapper)
        loader = Runner.build_dataloader(small.train_dataloader, seed=0)
        batch = next(iter(loader))
        assert len(batch['inputs']) == 2 * len(decoders)
        check_keypoints(loader.dataset, model, 'train')
        check_targets(loader.dataset, model)
        last = [head.final_layer.weight for head in (model.head.heads.values() if multi else [model.head])]
        ends = [weight for weight in (model.backbone.patch_embed.proj.weight, *last) if weight.requires_grad]
        ends = ends or [model.backbone.knowledge_token.tokens]
        before = [weight.detach().clone() for weight in ends]
        log = model.train().train_step(batch, optimizer)
        assert torch.isfinite(log['loss']) and log['loss'] > 0
        assert all(torch.isfinite(p).all() for p in model.parameters())
        assert not any(torch.equal(b, weight) for b, weight in zip(before, ends, strict=True))

    loader = Runner.build_dataloader(small.val_dataloader, seed=0)
    check_keypoints(loader.dataset, model, 'val')
    batch = next(iter(loader))
    with torch.no_grad():
        samples = model.eval().val_step(batch)
    assert len(samples) == 2 * len(decoders)
    for image, sample in zip(batch['inputs'], samples, strict=True):
        decoder = decoders[sample.dataset_name if multi else '']
        number, (width, height) = decoder.out_channels, decoder.decoder.input_size
        assert image.shape == (3, height, width)
        assert sample.pred_fields.heatmaps.shape == (number, height // 4, width // 4)
        assert sample.pred_instances.keypoints.shape == (1, number, 2)

    evaluator = EVALUATORS.build(small.val_evaluator) if multi else Evaluator(small.val_evaluator)
    evaluator.dataset_meta = loader.dataset.metainfo
    evaluator.process(data_samples=samples, data_batch=batch)
    scores = evaluator.evaluate(len(loader.dataset))
    assert small.default_hooks.checkpoint.save_best in scores
    if multi:
        assert {name.partition('/')[0] for name in scores} == {PREFIXES.get(name, name) for name in decoders}
