"""Models of transformers' form: a folder with config.json and weights, or owner/name on the hub."""

import json
import os
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..errors import InputError, MissingFileError, one_line, warn
from ..shipped import shipped
from .catalogue import NamedModel
from .download import DownloadError

SIZES = {(384, 12): 'small', (768, 12): 'base', (1024, 24): 'large', (1280, 32): 'huge'}  # of ViTPose+
OKS_SIGMA = 0.05  # of keypoints whose dataset has none: our choice, between COCO's eyes (0.025) and hips (0.107)


def import_hub(name: str) -> Any:
    """Import huggingface_hub. ValueError if it is missing."""
    try:
        import huggingface_hub
    except ImportError as problem:
        remedy = "pip install 'vitpose_mm[hub]', or pass a folder with its config.json and model.safetensors"
        raise InputError(f'{name}: models of the hub need the package huggingface_hub: {remedy}') from problem
    return huggingface_hub


def hub_folder(name: str) -> Path:
    """Download config, card and weights of owner/name once, into the hub's cache, and return their folder."""
    hub, options = import_hub(name), dict(allow_patterns=['config.json', 'README.md', '*.safetensors*'])
    from huggingface_hub.errors import RepositoryNotFoundError

    with suppress(Exception):  # it is not in the cache
        folder = Path(hub.snapshot_download(name, local_files_only=True, **options))
        if all((folder / needed).is_file() for needed in ('config.json', 'model.safetensors')):  # else it is incomplete
            return folder
    try:
        folder = Path(hub.snapshot_download(name, local_files_only=bool(os.environ.get('VITPOSE_OFFLINE')), **options))
    except RepositoryNotFoundError as problem:
        raise InputError(f'{name}: neither a name of `vitpose models` nor a public model of the hub') from problem
    except Exception as problem:  # of any layer below
        what = f'{name} cannot be downloaded from the hub ({one_line(problem)[:200]})'
        remedy = f'download https://huggingface.co/{name} elsewhere and pass its folder'
        raise DownloadError(f'{what}: try again, or {remedy}') from problem
    warn(f'{name}: {_license(folder, name)}')
    return folder


def find_in_folder(folder: Path, name: str = '') -> NamedModel:
    """Find the shipped config, and what to change in it, for a ViTPose that transformers' `save_pretrained` wrote.

    `name` is that on the hub. MissingFileError if there is no config.json, ValueError if it is that of another model.
    """
    file = folder / 'config.json'
    if not file.is_file():
        raise MissingFileError(f'{folder}: expected a config.json, as in a ViTPose of transformers')
    try:
        config = json.loads(file.read_text('utf-8'))
        vit, labels = config['backbone_config'], config['id2label']
        size = dict(embed_dim=vit['hidden_size'], depth=vit['num_hidden_layers'], num_heads=vit['num_attention_heads'])
        height, width = vit['image_size']
        is_simple, scale = config.get('use_simple_decoder', True), config.get('scale_factor', 4)
        experts, names = vit.get('num_experts', 1), [str(labels[str(i)]) for i in range(len(labels))]
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise InputError(f'{file}: not the config of a VitPose of transformers ({one_line(problem)})') from problem
    if config.get('model_type') != 'vitpose':
        raise InputError(f'{file}: model_type={config.get("model_type")!r}: expected a vitpose')
    options: dict[str, Any] = {'license': _license(folder, name or folder.name)}
    is_coco = len(names) == 17 and re.match('nose$|LABEL_', names[0], re.IGNORECASE) is not None
    if is_coco:
        options['objects'] = 'person'
    if experts > 1:
        named = SIZES.get((size['embed_dim'], size['depth']))
        if not (named and is_coco and [height, width] == [256, 192]):
            raise InputError(f'{file}: of models with experts, only ViTPose+ with its decoder for COCO can be loaded')
        config_file = shipped(f'configs/multi_dataset/vitpose-plus-{named}_six-sets-256x192.py')
        return NamedModel(folder, config_file, 'coco', options)
    options |= {
        'model.head.decoder.input_size': (width, height),
        'model.head.decoder.heatmap_size': (width // 16 * scale, height // 16 * scale),
        'model.backbone.arch': dict(size, _delete_=True),
        'model.backbone.img_size': (height, width),
        'model.head.in_channels': size['embed_dim'],
        'model.head.out_channels': len(names),
        'test_dataloader.dataset.pipeline.2.input_size': (width, height),
    }
    if not is_coco:
        dataset, edges = (name or folder.name).rpartition('/')[2], config.get('edges') or []
        options['test_dataloader.dataset.metainfo'] = _metainfo(dataset, names, edges)
    kind = '-simple' if is_simple else ''
    return NamedModel(folder, shipped(f'configs/coco/vitpose-base{kind}_coco-256x192.py'), None, options)


def _metainfo(dataset: str, names: list[str], edges: list[list[int]]) -> dict[str, Any]:
    """Make MMPose's description of keypoints; sides are recognized by names such as L_Eye, left_eye and 'left eye'."""
    swaps = {'l': 'r', 'r': 'l', 'left': 'right', 'right': 'left'}

    def mirror(name: str) -> str:
        other = ''.join(swaps.get(word, word) for word in re.split(r'([_ -])', name.lower()))
        return next((each for each in names if each.lower() == other and each != name), '')

    info: dict[str, Any] = dict(color=[255, 128, 0], type='')  # orange
    keypoints = {i: dict(info, name=name, id=i, swap=mirror(name)) for i, name in enumerate(names)}
    links = {i: dict(info, link=(names[a], names[b]), id=i) for i, (a, b) in enumerate(edges)}
    rest = dict(joint_weights=[1.0] * len(names), sigmas=[OKS_SIGMA] * len(names))
    return dict(dataset_name=dataset, keypoint_info=keypoints, skeleton_info=links, **rest)


def _license(folder: Path, name: str) -> str:
    card = folder / 'README.md'
    stated = re.search(r'^license: *(\S+)$', card.read_text('utf-8', 'replace') if card.is_file() else '', re.MULTILINE)
    return f'{stated[1] if stated else "not stated"}, says the card of {name}; data: see there'
