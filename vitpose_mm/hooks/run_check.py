"""A check that checkpoint, data and model of a run fit together."""

from copy import copy
from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner, find_latest_checkpoint
from mmengine.runner.base_loop import BaseLoop
from mmpose.datasets.transforms import GenerateTarget, KeypointConverter
from mmpose.models.heads import HeatmapHead
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import DATASETS, HOOKS

from vitpose_base.coco_fields import EVALUATED, WITHOUT_AREA, find_bad_fields

from ..backbones import ViT
from ..checkpoints.key_maps import pop_prefix
from ..checkpoints.mmengine_loading import RESUME_SCHEME, SAFE_SCHEME, pretrained_setting, use_safe_loader
from ..checkpoints.origins import recognize, unwrap
from ..checkpoints.run_checkpoints import missing_checkpoint_message
from ..checkpoints.validation import load_strictly
from ..datasets.combined import find_named_members, find_transforms
from ..datasets.metainfo import parse_metainfo
from ..datasets.transforms.keypoint_target import KeypointTarget
from ..datasets.transforms.lazy_decoding import DecodeAndCrop
from ..estimators.crop_check import check_crop
from ..estimators.device_crop import DeviceCropPreprocessor
from ..heads.batch_targets import describe_codec, same_targets
from ..heads.decoders import DecoderHead
from ..heads.presence_head import PresenceHead, use_calibrations
from .bare_model import bare_model
from .complete_checkpoint import set_resume_checkpoint


@HOOKS.register_module()
class RunCheckHook(Hook):
    """Stop a run with inconsistent settings before the checkpoint is loaded.

    - A local `load_from` must exist.
    - The head of a top-down model must have one output per keypoint of the training, validation or test set. With a
      `MultiDatasetHead` each dataset must have a head, and an expert if the backbone has experts.
    - A heatmap head must have the codec of the training targets.
    - `FixedMixSampler` must have its loader's batch size, and `PerDatasetEvaluator` one metric per dataset.
    - The annotation file of a `CocoMetric` must have the fields that the evaluation reads.
    - A teacher must use the same crop as its student.
    - A ViT's checkpoint must fit the whole model: MMEngine only logs unexpected and missing keys.

    The file or web address in `load_from` or `--resume` is read safely: a file that could run code is refused.
    A check is skipped if the dataset or head does not define the value.

    Raises:
        FileNotFoundError: names the missing checkpoint, the command that writes it and the existing checkpoints.
        ValueError: names what does not fit and what to change.
    """

    def before_run(self, runner: Runner) -> None:
        """Check the checkpoint, datasets and model that this run uses."""
        training = isinstance(runner._train_loop, BaseLoop)
        option = '--cfg-options load_from={}' if training else '--checkpoint {}'
        set_resume_checkpoint(runner)
        check_load_from(runner._load_from, runner.cfg.filename, option)
        path = runner._load_from or (find_latest_checkpoint(runner.work_dir) if runner._resume else None)
        runner._load_from = use_safe_loader(path, RESUME_SCHEME if runner._resume else SAFE_SCHEME) if path else None
        for split in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{split}_loop')  # the public property would build loops that are not run
            if isinstance(loop, BaseLoop):
                _check_loop(loop)
                metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
                # a metric with a pred_converter maps the model's keypoints to those of the dataset
                if not any(getattr(metric, 'pred_converter', None) for metric in metrics):
                    check_keypoints(loop.dataloader.dataset, bare_model(runner), split)
        if training:
            check_targets(runner.train_dataloader.dataset, bare_model(runner))

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Remove wrappers that MMEngine does not know, and check that the weights fit the model."""
        weights, opened = unwrap(checkpoint)
        checkpoint['state_dict'] = weights if opened else copy(weights)  # without a wrapper it is the checkpoint itself
        model = bare_model(runner)
        loop = runner._train_loop if isinstance(runner._train_loop, BaseLoop) else None
        set_kept_keypoints(model, checkpoint.get('meta'), loop.dataloader.dataset if loop else None)
        if loop is None:  # a calibration holds for the weights of the file
            use_calibrations(model, checkpoint['state_dict'])
        if any(isinstance(module, ViT) for module in model.modules()):
            check_weights(model, checkpoint['state_dict'], runner._load_from)
            checkpoint['state_dict'] = state = model.state_dict()  # MMEngine loads it next, which changes nothing
            for name in getattr(getattr(model, 'head', None), 'absent', ()):
                pop_prefix(state, f'head.heads.{name}.')  # it stays absent
            for name, part in model.named_modules():
                if isinstance(part, PresenceHead) and part.filled is False:
                    pop_prefix(state, f'{name}.')
                if isinstance(part, DecoderHead) and part.filled is False and loop is None:
                    pop_prefix(state, f'{name}.final_layer.')


def set_kept_keypoints(model: Any, meta: Any, dataset: Any) -> None:
    """Tell a head with `allow_new_final_layer` which keypoints of the training set (or None) a checkpoint knows."""
    head: Any = getattr(model, 'head', None)
    if getattr(head, 'allow_new_final_layer', False):
        meta = meta if isinstance(meta, dict) else {}
        old = _keypoint_names(meta.get('dataset_meta') or _registered_metainfo(meta.get('dataset')))
        new = _keypoint_names(getattr(dataset, 'metainfo', None))
        head.kept_keypoints = {index: old.index(name) for index, name in enumerate(new) if name in old}


def _registered_metainfo(dataset: Any) -> dict | None:
    """Return the metainfo of the dataset that a converted file names, None unless a class for it is registered."""
    file = f'configs/_base_/datasets/{dataset}.py'
    for kind in DATASETS.module_dict.values():
        if getattr(kind, 'METAINFO', {}).get('from_file') == file:
            return parse_metainfo(dict(type=kind))
    return None


def _keypoint_names(meta: Any) -> list[str]:
    """Return the names of the keypoints in order, [] if they are unknown."""
    names = meta.get('keypoint_id2name') if isinstance(meta, dict) else None
    ordered: list[Any] = [names.get(i, names.get(str(i))) for i in range(len(names))] if isinstance(names, dict) else []
    return ordered if all(isinstance(name, str) for name in ordered) else []


def check_weights(model: Any, weights: dict, file: str | None) -> None:
    """Load weights of any origin into a model with a `ViT`; a ValueError names the file and keys that do not fit."""

    def absent() -> list[str]:
        heads = [f'head.heads.{name}.' for name in getattr(getattr(model, 'head', None), 'absent', ())]
        return [*heads, *(f'{name}.knowledge_token.' for name, part in model.named_modules() if isinstance(part, ViT))]

    try:
        load_strictly(model, weights, absent)
    except ValueError as problem:
        line = pretrained_setting(origin.prefix, file or 'FILE') if (origin := recognize(weights)) else ''
        hint = f'. To start from its ViT alone, set model.backbone.{line} instead of load_from' if line else ''
        raise ValueError(f'the checkpoint does not fit the model: {problem}{hint}') from problem


def check_load_from(load_from: str | None, config: str | None, option: str = '--cfg-options load_from={}') -> None:
    """Check that a local checkpoint exists; else name the config that writes it. `option` is like '--checkpoint {}'."""
    if load_from is None or '://' in load_from or Path(load_from).expanduser().exists():
        return
    name = Path(load_from).parent.name  # the default work_dir is work_dirs/NAME
    folders = [folder for folder in Path(config or '').parents if folder.name == 'configs']
    writers = [str(path) for folder in folders[:1] for path in sorted(folder.rglob(f'{name}.py'))] if name else []
    writer = writers[0] if writers else f'configs/.../{name or "NAME"}.py'
    raise FileNotFoundError(missing_checkpoint_message(Path(load_from), writer, option))


def check_keypoints(dataset: Any, model: Any, split: str) -> None:
    """Check that a top-down model has, for each dataset, one output per keypoint, a decoder and an expert, if any.

    `split` is 'train', 'val' or 'test'; `output_keypoint_indices` only applies to 'val' and 'test'.
    """
    if not isinstance(model, TopdownPoseEstimator):
        return
    selected = model.test_cfg.get('output_keypoint_indices') if split != 'train' else None
    experts = getattr(model.backbone, 'experts', ())
    for name, member in find_named_members(dataset):
        meta = getattr(member, 'metainfo', None) or {}
        converters = find_transforms(member, KeypointConverter)
        path, head = _find_head(model, name)
        if experts and name not in (None, *experts):
            raise ValueError(
                f'dataset {name!r} has no expert: the backbone has experts for {list(experts)}. Add it to experts.names'
            )
        outputs = getattr(head, 'out_channels', None)
        if isinstance(outputs, int) and getattr(getattr(head, 'decoder', None), 'heatmap_type', None) == 'combined':
            outputs //= 3  # one heatmap and two offset maps per keypoint
        outputs = outputs if selected is None else len(selected)
        number = converters[-1].num_keypoints if converters else meta.get('num_keypoints')
        if isinstance(outputs, int) and number not in (None, outputs):
            raise ValueError(
                f'the model predicts {outputs} keypoints ({path}.out_channels), but {split}_dataloader has '
                f'dataset {name!r} with {number}: set model.{path}.out_channels={number}, or use a dataset with '
                f'{outputs} keypoints'
            )
    default = getattr(getattr(model, 'head', None), 'default_dataset', None)
    if hasattr(dataset, 'names') and default not in (None, name := dataset.metainfo.get('dataset_name')):
        raise ValueError(
            f"default_dataset={default!r}, but the combined dataset's metainfo is that of {name!r}: predictions would "
            f'be drawn with its skeleton. List {default!r} first, or set CombinedPoseDataset(metainfo=...)'
        )


def _find_head(model: Any, name: str | None) -> tuple[str, Any]:
    """Return config path and head of a dataset: in a `MultiDatasetHead` the head of this name, else the model's."""
    heads = getattr(head := getattr(model, 'head', None), 'heads', None)
    if heads is None or name is None:
        return 'head', head
    if name not in heads:
        raise ValueError(f'dataset {name!r} has no decoder: add it to model.head.heads, which has {list(heads)}')
    return f'head.heads.{name}', heads[name]


def _check_loop(loop: Any) -> None:
    """Check that a sampler with a fixed mix has the loader's batch size, and that each dataset has a metric."""
    loader, evaluator = loop.dataloader, getattr(loop, 'evaluator', None)
    mix = getattr(getattr(loader, 'sampler', None), 'num_per_source', None)
    if mix is not None and sum(mix) != loader.batch_size:
        raise ValueError(f'the sampler has batch_size={sum(mix)}, its loader {loader.batch_size}: set both to the same')
    for metric in (evaluator, *getattr(evaluator, 'metrics', ())):  # `mim test --dump` makes it one of the metrics
        for each in (metric, *getattr(metric, 'metrics_dict', {}).values()):
            check_evaluated_fields(each)
        if hasattr(metric, 'metrics_dict'):
            names = [name for name, _ in find_named_members(loader.dataset)]
            if set(names) != set(metric.metrics_dict):
                raise ValueError(f'the evaluator has metrics for {list(metric.metrics_dict)}, the datasets are {names}')


def check_evaluated_fields(metric: Any) -> None:
    """Check that the annotation file of a `CocoMetric` has what the evaluation reads; other metrics have none."""
    content = getattr(getattr(metric, 'coco', None), 'dataset', None)
    if isinstance(content, dict):
        required = EVALUATED if metric.use_area else WITHOUT_AREA
        for bad in find_bad_fields(content, required=required):
            if bad.field in required:
                raise ValueError(f'{metric.ann_file}: {bad}: the evaluation reads it')


def check_targets(dataset: Any, model: Any) -> None:
    """Check that training targets and heatmap head use the same codec, and teacher and student the same crop."""
    if not isinstance(model, TopdownPoseEstimator):
        return
    for name, member in find_named_members(dataset):
        _, head = _find_head(model, name)
        codec = getattr(head, 'decoder', None)
        sends_images = any(step.device_crop for step in find_transforms(member, DecodeAndCrop))
        if sends_images and not isinstance(model.data_preprocessor, DeviceCropPreprocessor):
            expected = "expected model.data_preprocessor.type='DeviceCropPreprocessor'"
            raise ValueError(f'the pipeline of {name!r} has DecodeAndCrop(device_crop=True): {expected}')
        for step in find_transforms(member, GenerateTarget):
            if isinstance(step, KeypointTarget) and not (isinstance(head, DecoderHead) and hasattr(codec, 'targets')):
                raise ValueError(
                    f'{name!r} has KeypointTarget in its pipeline, which leaves the heatmaps to the head, but it is a '
                    f'{type(head).__name__} with decoder {describe_codec(codec)}: use ClassicHead or SimpleHead with a '
                    "BatchUDPHeatmap or BatchMSRAHeatmap, or MMPose's GenerateTarget"
                )
            one_codec = isinstance(head, HeatmapHead) and codec is not None and not isinstance(step.encoder, list)
            if one_codec and not same_targets(step.encoder, codec):
                raise ValueError(
                    f'the training pipeline of {name!r} encodes with {describe_codec(step.encoder)}, but its head '
                    f'decodes with {describe_codec(codec)}: use the same codec in {type(step).__name__}(encoder=...) '
                    'and head=dict(decoder=...)'
                )
    if getattr(model, 'teacher', None) is not None:
        check_crop(dataset, model.teacher)
