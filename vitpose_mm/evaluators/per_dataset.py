"""Each dataset is judged by its own metric, datasets that a config defines included."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric, Evaluator
from mmpose.evaluation import MultiDatasetEvaluator
from mmpose.registry import EVALUATORS, METRICS

from ..datasets.metainfo import metainfo


@METRICS.register_module()
@EVALUATORS.register_module()
class PerDatasetEvaluator(MultiDatasetEvaluator):
    """MMPose's evaluator of several datasets, for datasets whose keypoints a config defines, too.

    MMPose's takes name and keypoints from the dataset's class, whatever `metainfo` the config gives
    it: such a dataset would be judged as another, or not at all. This one can also be a metric among
    others, as `mim test --dump` lists it.

    Args:
        metrics: a metric's config a dataset; give each a `prefix` of its own.
        datasets: the datasets' configs, in the same order.

    Raises:
        ValueError: not one metric a dataset, or two datasets of one name.
    """

    def __init__(self, metrics: Sequence[dict], datasets: Sequence[dict]):
        if len(metrics) != len(datasets):
            raise ValueError(f'{len(metrics)} metrics for {len(datasets)} datasets: give one each, in the same order')
        Evaluator.__init__(self, metrics)  # MMPose's own would read the classes
        self.metrics_dict: dict[str, BaseMetric] = {}
        for dataset, metric in zip(datasets, self.metrics, strict=True):
            metric.dataset_meta = metainfo(dataset)
            name = metric.dataset_meta['dataset_name']
            if name in self.metrics_dict:
                raise ValueError(
                    f'two datasets are named {name!r}: a name chooses the metric, so give one of them a '
                    'metainfo with a dataset_name of its own'
                )
            self.metrics_dict[name] = metric

    def process(self, data_samples: Any, data_batch: Any = None) -> None:
        """Hand samples to the metric of their dataset; MMEngine hands a metric the batch first, then the samples."""
        if isinstance(data_samples, dict):
            data_samples, data_batch = data_batch, data_samples
        super().process(data_samples, data_batch)
