"""A check that the datasets fit a multi-dataset model, and sample counts per dataset and epoch."""

from collections import Counter
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmpose.registry import HOOKS
from torch.utils.data import Dataset

from ..datasets.members import members


@HOOKS.register_module()
class DatasetMixHook(Hook):
    """Checks a multi-dataset run before its first iteration and counts the samples of each dataset.

    Before training, validation and testing, every dataset must have a decoder in the ``MultiDatasetHead`` with one
    output per keypoint, an expert if the backbone has experts, and a metric if a ``PerDatasetEvaluator`` is used.
    After each training epoch, the samples per dataset over all processes are logged in one line and added as scalars
    ``samples/NAME`` to the message hub and the visualiser (TensorBoard, for example).

    Raises:
        ValueError: before the first iteration, if something does not fit; names the dataset and what to change.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.default: str | None = None
        self.counts: Counter[str] = Counter()

    def before_train(self, runner: Runner) -> None:
        """Check the training set, its sampler and, if there is one, the validation set."""
        loader, model = runner.train_dataloader, bare_model(runner)
        check_fit(loader.dataset, model)
        check_batch_size(loader)
        if runner.val_loop is not None:
            self._check_loop(runner.val_loop, model)
        self.names = list(dict.fromkeys([*dataset_names(loader.dataset), *model.head.heads]))
        self.default = model.head.default_dataset

    def before_val(self, runner: Runner) -> None:
        """Check the validation set."""
        self._check_loop(runner.val_loop, bare_model(runner))

    def before_test(self, runner: Runner) -> None:
        """Check the test set."""
        self._check_loop(runner.test_loop, bare_model(runner))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Count the samples in this process's batch."""
        assert data_batch is not None
        self.counts.update(sample.metainfo.get('dataset_name', self.default) for sample in data_batch['data_samples'])

    def after_train_epoch(self, runner: Runner) -> None:
        """Sum the counts over all processes, log them and add them as scalars."""
        counts = torch.tensor([self.counts[name] for name in self.names])
        all_reduce(counts)
        self.counts.clear()
        numbers = dict(zip(self.names, counts.tolist(), strict=True))
        shown = ', '.join(f'{name} {number}' for name, number in numbers.items())
        runner.logger.info(f'Samples of epoch {runner.epoch + 1}: {shown}')
        scalars = {f'samples/{name}': number for name, number in numbers.items()}
        for name, number in scalars.items():
            runner.message_hub.update_scalar(name, number)
        runner.visualizer.add_scalars(scalars, step=runner.epoch + 1)

    def _check_loop(self, loop: Any, model: Any) -> None:
        dataset = loop.dataloader.dataset
        check_fit(dataset, model)
        # `mim test --dump` makes the PerDatasetEvaluator one of an evaluator's metrics
        evaluators = [loop.evaluator, *getattr(loop.evaluator, 'metrics', ())]
        metrics = next((each.metrics_dict for each in evaluators if hasattr(each, 'metrics_dict')), None)
        names = dataset_names(dataset)
        if metrics is not None and set(metrics) != set(names):
            raise ValueError(
                f'the evaluator has metrics for {list(metrics)}, the datasets are {names}: give '
                'PerDatasetEvaluator one entry of datasets and one of metrics per dataset'
            )


def check_fit(dataset: Dataset, model: Any) -> None:
    """Check that a multi-dataset model has a fitting decoder, and if needed an expert, for each dataset.

    Args:
        dataset: a ``CombinedPoseDataset``, or a single dataset with a ``metainfo``.
        model: a pose estimator with a ``MultiDatasetHead``.

    Raises:
        ValueError: names the dataset, what the model has and what to change.
    """
    heads = getattr(getattr(model, 'head', None), 'heads', None)
    if heads is None:
        raise ValueError(
            f'DatasetMixHook: {type(model).__name__} has no MultiDatasetHead (one decoder per dataset). '
            'Use one, or remove the hook'
        )
    experts = getattr(model.backbone, 'experts', ())
    for member in members(dataset):
        name, keypoints = member.metainfo['dataset_name'], member.metainfo['num_keypoints']
        if name not in heads:
            raise ValueError(
                f'dataset {name!r} has no decoder: the heads are {list(heads)}. Add '
                f'heads={{{name!r}: dict(...)}}, or remove the dataset'
            )
        outputs = heads[name].out_channels
        if outputs != keypoints:
            raise ValueError(
                f'heads[{name!r}] has out_channels={outputs}, but the metainfo of {name!r} has '
                f'{keypoints} keypoints: set out_channels={keypoints}'
            )
        if experts and name not in experts:
            raise ValueError(
                f'dataset {name!r} has no expert: the backbone has experts for {list(experts)}. '
                'Add it to experts=dict(names=[...])'
            )
    default, combined = model.head.default_dataset, getattr(dataset, 'metainfo', {}).get('dataset_name')
    if hasattr(dataset, 'names') and default is not None and default != combined:
        raise ValueError(
            f'default_dataset={default!r}, but the metainfo of the combined dataset is that of {combined!r}: '
            f'predictions of a checkpoint would be drawn with the wrong skeleton. List {default!r} first, or set '
            f'CombinedPoseDataset(metainfo=...) to the metainfo of {default!r}'
        )


def check_batch_size(loader: Any) -> None:
    """Check that a sampler with a fixed mix per batch uses the loader's batch size.

    Raises:
        ValueError: names both sizes.
    """
    mix = getattr(loader.sampler, 'num_per_source', None)
    if mix is not None and sum(mix) != loader.batch_size:
        raise ValueError(
            f'the sampler mixes batches of {sum(mix)}, but the loader has batch_size={loader.batch_size}: '
            'set train_dataloader.batch_size and sampler.batch_size to the same number'
        )


def dataset_names(dataset: Any) -> list[str]:
    """Return the ``dataset_name`` of each member of a combined dataset, or of a single dataset."""
    return [member.metainfo['dataset_name'] for member in members(dataset)]


def bare_model(runner: Runner) -> Any:
    """Return the runner's model without the wrapper of a distributed run."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
