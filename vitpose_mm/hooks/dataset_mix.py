"""Do datasets and model fit each other, and how much of each dataset was trained on?"""

from collections import Counter
from collections.abc import Sequence
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
    """Checks a multi-dataset run before its first iteration, and counts its samples.

    Before training, validation and testing every dataset must have a decoder in the
    ``MultiDatasetHead`` with as many outputs as it has keypoints, an expert if the backbone has
    experts, and a metric if a ``PerDatasetEvaluator`` judges. After each training epoch one line
    says how many samples of each dataset all processes have trained on; the numbers are also the
    scalars ``samples/NAME`` of the message hub and of the visualiser, so of TensorBoard.

    Raises:
        ValueError: at the start, when something does not fit; it names the dataset and what is known.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.default: str | None = None
        self.counts: Counter[str] = Counter()

    def before_train(self, runner: Runner) -> None:
        """Check the training set, its sampler, and the validation set if there is one."""
        loader, model = runner.train_dataloader, bare_model(runner)
        check_fit(loader.dataset, model)
        check_batch_size(loader)
        if runner.val_loop is not None:
            self._check_judged(runner.val_loop, model)
        trained = [meta['dataset_name'] for meta in metainfos(loader.dataset)]
        self.names = list(dict.fromkeys([*trained, *model.head.heads]))
        self.default = model.head.default_dataset

    def before_val(self, runner: Runner) -> None:
        """Check the validation set."""
        self._check_judged(runner.val_loop, bare_model(runner))

    def before_test(self, runner: Runner) -> None:
        """Check the test set."""
        self._check_judged(runner.test_loop, bare_model(runner))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: dict | None = None, outputs: dict | None = None
    ) -> None:
        """Count the samples of this process's batch."""
        assert data_batch is not None
        self.counts.update(sample.metainfo.get('dataset_name', self.default) for sample in data_batch['data_samples'])

    def after_train_epoch(self, runner: Runner) -> None:
        """Sum over the processes, log one line and hand on the numbers."""
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

    def _check_judged(self, loop: Any, model: Any) -> None:
        dataset = loop.dataloader.dataset
        check_fit(dataset, model)
        # one evaluator, or with `mim test --dump` a metric among others
        evaluators = [loop.evaluator, *getattr(loop.evaluator, 'metrics', ())]
        judged = next((one.metrics_dict for one in evaluators if hasattr(one, 'metrics_dict')), None)
        names = [meta['dataset_name'] for meta in metainfos(dataset)]
        if judged is not None and set(judged) != set(names):
            raise ValueError(
                f'the evaluator has metrics for {list(judged)}, the datasets are {names}: give '
                'PerDatasetEvaluator one entry of datasets and metrics for each'
            )


def check_fit(dataset: Dataset, model: Any) -> None:
    """Refuse a dataset whose members the model cannot all take.

    Args:
        dataset: a ``CombinedPoseDataset``, or one dataset with a ``metainfo``.
        model: a pose estimator with a ``MultiDatasetHead``.

    Raises:
        ValueError: names the dataset, the model's side and what to change.
    """
    heads = getattr(getattr(model, 'head', None), 'heads', None)
    if heads is None:
        raise ValueError(
            f'DatasetMixHook: {type(model).__name__} has no MultiDatasetHead, which has a decoder a '
            'dataset. Use one, or remove the hook'
        )
    experts = getattr(model.backbone, 'experts', ())
    for meta in metainfos(dataset):
        name, keypoints = meta['dataset_name'], meta['num_keypoints']
        if name not in heads:
            raise ValueError(
                f'dataset {name!r} has no decoder: the heads are {list(heads)}. Add heads={{{name!r}: '
                'dict(...)}, or leave the dataset out'
            )
        outputs = heads[name].out_channels
        if outputs != keypoints:
            raise ValueError(
                f'heads[{name!r}] has out_channels={outputs}, but the metainfo of {name!r} {keypoints} '
                f'keypoints: set out_channels={keypoints}'
            )
        if experts and name not in experts:
            raise ValueError(
                f"dataset {name!r} has no expert: the names of the backbone's experts are "
                f'{list(experts)}. Add it to experts=dict(names=[...])'
            )
    default, whole = model.head.default_dataset, getattr(dataset, 'metainfo', {}).get('dataset_name')
    if hasattr(dataset, 'names') and default is not None and default != whole:
        raise ValueError(
            f'default_dataset={default!r}, but the metainfo of the combined dataset is that of {whole!r}: '
            f'a checkpoint would be shown with the wrong keypoints. List {default!r} first, or give '
            'CombinedPoseDataset its metainfo'
        )


def check_batch_size(loader: Any) -> None:
    """Refuse a sampler that mixes batches of another size than the loader's.

    Raises:
        ValueError: names both sizes.
    """
    mixed = getattr(loader.sampler, 'num_per_source', None)
    if mixed is not None and sum(mixed) != loader.batch_size:
        raise ValueError(
            f'the sampler mixes batches of {sum(mixed)}, the loader cuts batches of {loader.batch_size}: '
            'set train_dataloader.batch_size and sampler.batch_size to one number'
        )


def metainfos(dataset: Any) -> Sequence[dict]:
    """The metainfo of each member of a combined dataset, or of the one dataset."""
    return [member.metainfo for member in members(dataset)]


def bare_model(runner: Runner) -> Any:
    """The model without the wrapper of a distributed run."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
