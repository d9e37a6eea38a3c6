"""An evaluator with one metric per dataset."""

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric, Evaluator
from mmpose.evaluation import MultiDatasetEvaluator
from mmpose.registry import EVALUATORS, METRICS

from ..datasets.metainfo import parse_metainfo


@METRICS.register_module()
@EVALUATORS.register_module()
class PerDatasetEvaluator(MultiDatasetEvaluator):
    """Evaluate each dataset with its own metric, including datasets whose `metainfo` comes from the config.

    MMPose's `MultiDatasetEvaluator` takes the dataset name and keypoints from the dataset's class and ignores the
    `metainfo` in its config, so it would evaluate such a dataset as another one or not at all. This evaluator can
    also be one of several metrics, as in the config of `mim test --dump`.

    Args:
        metrics: configs of the metrics, one per dataset; give each a unique `prefix`.
        datasets: configs of the datasets in the same order.

    Raises:
        ValueError: the numbers of metrics and datasets differ, or two datasets have the same name.
    """

    def __init__(self, metrics: Sequence[dict], datasets: Sequence[dict]):
        if len(metrics) != len(datasets):
            raise ValueError(
                f'{len(metrics)} metrics for {len(datasets)} datasets: give one per dataset, in the same order'
            )
        Evaluator.__init__(self, metrics)  # skips MMPose's constructor, which reads the classes
        self.metrics_dict: dict[str, BaseMetric] = {}
        for dataset, metric in zip(datasets, self.metrics, strict=True):
            metric.dataset_meta = parse_metainfo(dataset)
            name = metric.dataset_meta['dataset_name']
            if name in self.metrics_dict:
                raise ValueError(
                    f'two datasets are named {name!r}: the name selects the metric, so give each dataset a metainfo '
                    'with a unique dataset_name'
                )
            self.metrics_dict[name] = metric

    def process(self, data_samples: Any, data_batch: Any = None) -> None:
        """Pass each sample to the metric of its dataset.

        MMEngine calls an evaluator with (samples, batch) and a metric with (batch, samples); both orders work.
        """
        if isinstance(data_samples, dict):
            data_samples, data_batch = data_batch, data_samples
        super().process(data_samples, data_batch)
