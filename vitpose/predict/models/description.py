"""What a checkpoint's weights do not tell: keypoints, crop, codec; of a shipped dataset, or as the file records it."""

import ast
import json
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from ...errors import InputError
from ..poses import keypoint_names
from ..scoring import Scoring
from .crops import read_crop_rule
from .file_info import metainfo_fields

DATASETS = Path(__file__).with_name('datasets.json')  # what the shipped configs say; a test compares


@dataclass(frozen=True)
class Description:
    """How to predict with a network."""

    keypoints: dict[str, Any]  # the fields of `FileInfo` about the dataset: dataset, keypoint_names, ...
    codec: dict[str, Any]  # type and arguments of the heatmaps' codec
    network: dict[str, Any]  # options of `PoseNetwork`: shift_heatmap, ...
    vit: dict[str, Any]  # options of `PlainViT` that the weights do not tell
    crop: dict[str, Any]  # the fields of `FileInfo` about crop and metric: padding, use_udp, metric


@cache
def read_datasets() -> dict[str, dict[str, Any]]:
    """Read the shipped datasets by name: fields of `FileInfo`, and the settings of their models.

    `alone` are the settings of the configs of one dataset, `shared` those of published models trained on several.
    """
    return json.loads(DATASETS.read_text(encoding='utf-8'))


def describe(meta: dict[str, Any], dataset: str, is_shared: bool) -> Description:
    """Describe the model of a checkpoint with this metadata for a dataset, a shipped one or that which it records.

    What the file records takes precedence over what ships, unless the model `is_shared`: it has several decoders or
    experts. ValueError if the dataset neither ships nor is recorded, or if what is recorded is incomplete.
    """
    config, known = read_recorded_config(meta), read_datasets().get(dataset)
    model, vit = config.get('model') or {}, recorded_vit(config)
    is_recorded = bool(model) and recorded_dataset(meta) == dataset and not is_shared
    if known is None and not is_recorded:
        names = ', '.join(sorted(read_datasets()))
        raise InputError(f'dataset={dataset!r}: expected one of {names}, or the one that the checkpoint records')
    keypoints = dict(known or {}, dataset=dataset)
    settings = {name: keypoints.pop(name, None) for name in ('alone', 'shared')}
    if known is None or (not is_shared and _has_other_keypoints(meta, dataset, known['keypoint_names'])):
        keypoints = metainfo_fields(meta['dataset_meta']) | dict(dataset=dataset)
    if not is_recorded:
        chosen = dict((is_shared and settings['shared']) or settings['alone'])
        return Description(keypoints, chosen.pop('codec'), dict(shift_heatmap=chosen.pop('shift_heatmap')), vit, chosen)
    try:
        test = (config.get('test_dataloader') or config['val_dataloader'])['dataset']
        rule = read_crop_rule(test['pipeline'], 'its recorded config')
        keypoints['category'] = keypoints['category'] or (test.get('metainfo') or {}).get('category')
        keypoints['bits'] = next((step['bits'] for step in test['pipeline'] if step.get('bits')), None)
        keypoints |= {key: config.get(key) for key in ('objects', 'license')}
        keypoints['box_share'] = list(config['box_share']) if config.get('box_share') else None
        evaluator = config.get('test_evaluator') or config.get('val_evaluator') or []
        metrics = [evaluator] if isinstance(evaluator, dict) else evaluator
        metric = next((metric for metric in metrics if str(metric['type']).endswith('CocoMetric')), {})
        options = {each.name: metric[each.name] for each in fields(Scoring) if each.name in metric}
        pixels = model['data_preprocessor']
        network = dict(mean=pixels.get('mean'), std=pixels.get('std'), rgb=bool(pixels.get('bgr_to_rgb')))
        network['shift_heatmap'] = bool((model.get('test_cfg') or {}).get('shift_heatmap'))
        crop = dict(padding=float(rule.padding), use_udp=bool(rule.use_udp), metric=options)
        return Description(keypoints, dict(model['head']['decoder']), network, vit, crop)
    except (KeyError, TypeError, AttributeError) as problem:
        raise InputError(f'its recorded config is incomplete: {type(problem).__name__}: {problem}') from problem


def recorded_dataset(meta: dict[str, Any]) -> str | None:
    """Return the name of the dataset that MMEngine, or our own conversion, records in a checkpoint."""
    metainfo = meta.get('dataset_meta')
    name = metainfo.get('dataset_name') if isinstance(metainfo, dict) else meta.get('dataset')
    return name if isinstance(name, str) else None


def choose_dataset(dataset: str | None, names: list[str]) -> str:
    """Return the given one of a model's datasets, or the only one. ValueError for another, or for None of several."""
    name = names[0] if dataset is None and len(names) == 1 else dataset
    if name not in names:
        known = f'this model predicts {", ".join(names)}' if names else 'this file has no decoder'
        raise InputError(f'dataset={dataset!r}: {known}' + ('; choose one of them' if len(names) > 1 else ''))
    return str(name)


def recorded_vit(config: dict[str, Any]) -> dict[str, Any]:
    """Return what a recorded config sets of `PlainViT`'s stride and attention."""
    model = config.get('model')
    backbone = model.get('backbone') if isinstance(model, dict) else None
    # with a scope or module, as in lazy configs
    if not isinstance(backbone, dict) or str(backbone.get('type')).rpartition('.')[2] != 'ViT':
        return {}
    return {key: backbone[key] for key in ('stride', 'attention') if key in backbone}


def _has_other_keypoints(meta: dict[str, Any], dataset: str, names: list[str]) -> bool:
    """Answer whether a checkpoint records other keypoints than these for a dataset: users often keep COCO's name."""
    metainfo: Any = meta.get('dataset_meta')
    is_own = isinstance(metainfo, dict) and recorded_dataset(meta) == dataset and 'keypoint_id2name' in metainfo
    return is_own and keypoint_names(metainfo) != names


class _DictCalls(ast.NodeTransformer):
    """Turn dict(a=1) into {'a': 1}, and dict({1: 2}) into {1: 2}."""

    def visit_Call(self, node: ast.Call) -> ast.AST:  # noqa: D102, N802
        self.generic_visit(node)
        if ast.unparse(node.func) != 'dict':
            return node
        if node.args:
            return node.args[0] if isinstance(node.args[0], ast.Dict) and not (node.args[1:] or node.keywords) else node
        return ast.Dict(
            [ast.Constant(key.arg) if key.arg else None for key in node.keywords], [key.value for key in node.keywords]
        )


def read_recorded_config(meta: dict[str, Any]) -> dict[str, Any]:
    """Read the assignments of literals in a file's `cfg`; {} without one, or if it is not MMEngine's text."""
    unreadable = KeyError, TypeError, ValueError, SyntaxError, AttributeError, RecursionError, MemoryError
    config: dict[str, Any] = {}
    with suppress(*unreadable):
        for line in ast.parse(meta['cfg']).body:
            with suppress(*unreadable):  # MMEngine writes an infinite number as inf
                config[line.targets[0].id] = ast.literal_eval(_DictCalls().visit(line.value))  # type: ignore[attr-defined]
    return config
