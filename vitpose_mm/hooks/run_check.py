"""Do checkpoint, data and model of a run fit each other?"""

from pathlib import Path
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.runner.base_loop import BaseLoop
from mmpose.datasets.transforms import GenerateTarget, KeypointConverter
from mmpose.models.heads import HeatmapHead
from mmpose.models.pose_estimators import TopdownPoseEstimator
from mmpose.registry import HOOKS

from ..datasets.members import members, transforms
from ..estimators.crop import check_crop
from ..files import missing_checkpoint
from ..heads.targets import describe, same_targets
from .dataset_mix import bare_model


@HOOKS.register_module()
class RunCheckHook(Hook):
    """Refuses a run that cannot go well, before anything is loaded.

    A local `load_from` has to exist. A top-down model's single head needs as many outputs as the
    training, validation or test set has keypoints (`DatasetMixHook` checks a head of several
    datasets), the codec of a heatmap head has to be that of the training targets, and a teacher's crop
    that of its student. What a dataset or head does not say is not checked.

    Raises:
        FileNotFoundError: names the checkpoint, the command that writes it, and what there is.
        ValueError: names what does not fit, and what to change.
    """

    def before_run(self, runner: Runner) -> None:
        """Check what this command uses."""
        training = isinstance(runner._train_loop, BaseLoop)
        option = '--cfg-options load_from={}' if training else '--checkpoint {}'
        check_checkpoint(runner._load_from, runner.cfg.filename, option)
        for split in ('train', 'val', 'test'):
            loop = getattr(runner, f'_{split}_loop')  # a property would build what is not run
            if isinstance(loop, BaseLoop):
                metrics = getattr(getattr(loop, 'evaluator', None), 'metrics', ())
                # such a metric maps the model's keypoints to those of the dataset
                if not any(getattr(metric, 'pred_converter', None) for metric in metrics):
                    check_keypoints(loop.dataloader.dataset, bare_model(runner), split)
        if training:
            check_targets(runner.train_dataloader.dataset, bare_model(runner))


def check_checkpoint(load_from: str | None, config: str | None, option: str = '--cfg-options load_from={}') -> None:
    """Refuse a local file that does not exist.

    Args:
        load_from: the file, or a URL.
        config: the run's config file, whose folder `configs` may have the one that writes the other.
        option: how the command names another.

    Raises:
        FileNotFoundError: names both.
    """
    if load_from is None or '://' in load_from or Path(load_from).expanduser().is_file():
        return
    name = Path(load_from).parent.name  # by default a run's folder is work_dirs/NAME
    folders = [folder for folder in Path(config or '').parents if folder.name == 'configs']
    writers = [str(path) for folder in folders[:1] for path in sorted(folder.rglob(f'{name}.py'))] if name else []
    writer = writers[0] if writers else f'configs/.../{name or "NAME"}.py'
    raise FileNotFoundError(missing_checkpoint(Path(load_from), writer, option))


def check_keypoints(dataset: Any, model: Any, split: str) -> None:
    """Refuse a dataset of another number of keypoints than a top-down model's single head.

    Args:
        dataset: as built.
        model: without the wrapper of a distributed run.
        split: 'train', 'val' or 'test', for the message.

    Raises:
        ValueError: names dataset and both numbers.
    """
    head = getattr(model, 'head', None)
    outputs = getattr(head, 'out_channels', None)
    if not isinstance(model, TopdownPoseEstimator) or not isinstance(outputs, int):
        return
    if getattr(getattr(head, 'decoder', None), 'heatmap_type', None) == 'combined':  # a heatmap and two offsets each
        outputs //= 3
    chosen = model.test_cfg.get('output_keypoint_indices') if split != 'train' else None
    outputs = outputs if chosen is None else len(chosen)
    for member in members(dataset):
        meta = getattr(member, 'metainfo', None) or {}
        converters = transforms(member, KeypointConverter)
        number = converters[-1].num_keypoints if converters else meta.get('num_keypoints')
        if number not in (None, outputs):
            raise ValueError(
                f'the model predicts {outputs} keypoints (head.out_channels), but {split}_dataloader has '
                f'dataset {meta.get("dataset_name")!r} with {number}: set model.head.out_channels='
                f'{number}, or take a dataset with {outputs}'
            )


def check_targets(dataset: Any, model: Any) -> None:
    """Refuse training targets of another codec than the heatmap head's, and a teacher of another crop.

    Args:
        dataset: the training set, as built.
        model: without the wrapper of a distributed run.

    Raises:
        ValueError: names both codecs or crops.
    """
    if not isinstance(model, TopdownPoseEstimator):
        return
    for member in members(dataset):
        name = (getattr(member, 'metainfo', None) or {}).get('dataset_name')
        head = model.head.heads[name] if name in getattr(model.head, 'heads', ()) else model.head
        for step in transforms(member, GenerateTarget):
            if (
                isinstance(head, HeatmapHead)
                and head.decoder is not None
                and not isinstance(step.encoder, list)
                and not same_targets(step.encoder, head.decoder)
            ):
                raise ValueError(
                    f'the training pipeline of {name!r} encodes with {describe(step.encoder)}, its head '
                    f'decodes with {describe(head.decoder)}: give both one codec, as GenerateTarget '
                    '(encoder=...) and head=dict(decoder=...)'
                )
    if getattr(model, 'teacher', None) is not None:
        check_crop(dataset, model.teacher)
