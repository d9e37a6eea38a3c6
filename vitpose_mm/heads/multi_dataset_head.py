"""One head per dataset behind one backbone."""

import logging
from collections.abc import Sequence
from typing import Any

import torch
from mmengine import ConfigDict
from mmengine.logging import print_log
from mmengine.model import ModuleDict
from mmengine.structures import InstanceData, PixelData
from mmpose.models.heads import BaseHead, HeatmapHead
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ..checkpoints.experts_and_decoders import rename_decoders
from ..checkpoints.key_maps import pop_prefix
from ..layers.index import index_on
from .decoders import DecoderHead
from .heatmap_losses import heatmap_losses

Features = tuple[Tensor, ...]
READ_BY_ESTIMATOR = ('flip_test', 'output_keypoint_indices')  # keys of test_cfg


@MODELS.register_module()
class MultiDatasetHead(BaseHead):
    """One of MMPose's heatmap heads per dataset; the `dataset_name` of a sample selects its head.

    Keypoints, codecs, heatmap sizes and flip pairs may differ between the datasets of one batch.

    In training every head runs on the features of the whole batch, so that its batch norm sees all samples; its loss
    counts the samples of its dataset. A head without samples in a batch gets zero gradients. Heads without batch norm
    in training mode run on their samples alone, with the same result, and so do heads of MMPose with another `loss`
    than `HeatmapHead`'s, whose batch norm is then not synchronized. docs/multi_dataset.md explains both.

    The training loss is `loss_kpt`: the sum over the datasets of weight x share x the head's loss, a mean over its
    samples. With loss_normalizer='batch' the share is the dataset's fraction of the batch, as in the authors' training;
    with 'dataset' it is 1. Loss and accuracy of each dataset, without weight and share, are logged as `coco/kpt` and
    `coco/acc_pose`; the accuracy is `pck_accuracy`, except for heads with another `loss`.

    A checkpoint may lack some of the heads, for example that of a single-dataset model. Predicting
    with a head that was neither loaded nor trained is an error.

    Args:
        heads: config of a head by dataset name.
        default_dataset: dataset of samples without a `dataset_name`.
        loss_weights: weight of a dataset's loss by name, 1 by default.
        loss_normalizer: 'batch' or 'dataset'.
        test_cfgs: by dataset name, what differs from the model's test_cfg, for example
            dict(aic=dict(shift_heatmap=True)); `flip_test` and `output_keypoint_indices` are the model's alone.
        init_cfg: MMEngine's.

    Raises:
        ValueError: there is no head, the normalizer is unknown, or `test_cfgs` has a key that is the model's alone.
        KeyError: an argument or a sample names a dataset without a head.
    """

    def __init__(
        self,
        heads: dict[str, dict],
        default_dataset: str | None = None,
        loss_weights: dict[str, float] | None = None,
        loss_normalizer: str = 'batch',
        test_cfgs: dict[str, dict] | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(init_cfg)
        if not heads or not isinstance(heads, dict):
            raise ValueError(
                f"heads={heads}: expected one head per dataset, like dict(coco=dict(type='ClassicHead', ...))"
            )
        if loss_normalizer not in ('batch', 'dataset'):
            raise ValueError(f"loss_normalizer={loss_normalizer!r}: expected 'batch' or 'dataset'")
        self.heads = ModuleDict({name: MODELS.build(head) for name, head in heads.items()})
        for member in self.heads.values():
            if isinstance(member, DecoderHead):
                member.may_be_absent = True
        self.absent: set[str] = set()  # heads that the checkpoint lacks
        self.loaded, self.load_problem = False, ''
        self.default_dataset = default_dataset
        self.loss_weights = loss_weights or {}
        self.loss_normalizer = loss_normalizer
        self.test_cfgs = test_cfgs or {}
        for name in (*self.loss_weights, *self.test_cfgs, *([default_dataset] if default_dataset else [])):
            self._check_dataset(name)
        for name, cfg in self.test_cfgs.items():
            if keys := [key for key in READ_BY_ESTIMATOR if key in cfg]:
                raise ValueError(
                    f'test_cfgs[{name!r}] has {", ".join(keys)}, which the estimator reads, for all datasets: set it '
                    "in the model's test_cfg"
                )
        self._register_load_state_dict_pre_hook(self._read_checkpoint)

    def _read_checkpoint(self, state_dict: dict, prefix: str, *_: object) -> None:
        default_first = sorted(self.heads, key=lambda name: name != self.default_dataset)
        weights = rename_decoders(pop_prefix(state_dict, prefix), default_first)
        state_dict.update({prefix + key: value for key, value in weights.items()})
        present = {name for name in self.heads if any(key.startswith(f'heads.{name}.') for key in weights)}
        self.load_problem = '' if present else f'the checkpoint has a decoder for none of {", ".join(self.heads)}'
        self.absent = (self.absent if self.loaded else set(self.heads)) - present
        if self.absent and (present or not self.loaded):
            absent = ', '.join(name for name in self.heads if name in self.absent)
            print_log(f'the checkpoint has no decoder for {absent}', 'current', logging.WARNING)
        self.loaded = True

    def _check_dataset(self, name: str) -> str:
        if name not in self.heads:
            raise KeyError(f'no head for dataset {name!r}: this model has heads for {", ".join(self.heads)}')
        return name

    def datasets(self, samples: Sequence[PoseDataSample]) -> list[str]:
        """Return the dataset name of each sample. KeyError without a head of that name, or neither name nor default."""
        names = [sample.metainfo.get('dataset_name', self.default_dataset) for sample in samples]
        if None in names:
            raise KeyError(
                f'sample {names.index(None)} of the batch has no dataset_name in its metainfo: add it to the meta_keys '
                f"of PackPoseInputs, or set the head's default_dataset to one of {', '.join(self.heads)}"
            )
        return [self._check_dataset(name) for name in names]

    def _groups(self, datasets: Sequence[str], device: torch.device) -> dict[str, tuple[list[int], Tensor]]:
        """Group the batch indices of the samples by dataset, on the host and on the device."""
        groups: dict[str, list[int]] = {}
        for i, name in enumerate(datasets):
            groups.setdefault(name, []).append(i)
        order = index_on(device, [i for indices in groups.values() for i in indices])
        parts = order.split([len(indices) for indices in groups.values()])
        return {name: (groups[name], part) for name, part in zip(groups, parts, strict=True)}

    def _trained_head(self, name: str) -> BaseHead:
        if name in self.absent:
            raise ValueError(
                f'the checkpoint has no decoder for dataset {name!r}, so its head has random weights: load a '
                'checkpoint that was trained on this dataset, or do not predict it'
            )
        return self.heads[name]

    def forward(self, feats: Features) -> Tensor:
        """Map feature maps to heatmaps (B, K, Hm, Wm) with the default dataset's head."""
        if self.default_dataset is None:
            raise ValueError(
                f'without data samples the head needs a default_dataset: set it to one of {", ".join(self.heads)}'
            )
        return self._trained_head(self.default_dataset)(feats)

    def loss(
        self,
        feats: Features,
        batch_data_samples: Sequence[PoseDataSample],
        train_cfg: dict | None = None,
        datasets: Sequence[str] | None = None,
    ) -> dict[str, Tensor]:
        """Compute the training loss `loss_kpt` of a batch, and loss and accuracy of each dataset for the log.

        Args:
            feats: feature maps, each (B, C, Hp, Wp).
            batch_data_samples: B samples.
            train_cfg: the model's.
            datasets: result of `datasets` for these samples, if the caller has it already; else with its KeyErrors.
        """
        groups = self._groups(datasets or self.datasets(batch_data_samples), feats[-1].device)
        self.absent -= groups.keys()
        no_samples: tuple[list[int], Tensor] = [], feats[-1].new_empty(0, dtype=torch.long)
        total = feats[-1].new_zeros(())
        reported = {}
        for name, head in self.heads.items():
            indices, index = groups.get(name, no_samples)
            share = len(indices) / len(batch_data_samples) if self.loss_normalizer == 'batch' else 1.0
            for key, value in _losses(head, feats, index, [batch_data_samples[i] for i in indices], train_cfg).items():
                if 'loss' in key:
                    total = total + self.loss_weights.get(name, 1.0) * share * value
                    key, value = key.replace('loss_', ''), value.detach()
                if indices:
                    reported[f'{name}/{key}'] = value
        return {'loss_kpt': total, **reported}

    def predict(
        self,
        feats: Features | list[Features],
        batch_data_samples: Sequence[PoseDataSample],
        test_cfg: dict | None = None,
        datasets: Sequence[str] | None = None,
    ) -> list[InstanceData] | tuple[list[InstanceData], list[PixelData]]:
        """Predict the poses of a batch in order, each with its dataset's head; with heatmaps if test_cfg asks for them.

        Arguments and errors are those of `loss`, but for the flip test `feats` is a list of two such tuples, the second
        of the mirrored images, and `test_cfgs` overrides the model's `test_cfg`. ValueError if a head was neither
        loaded nor trained.
        """
        poses: dict[int, InstanceData] = {}
        fields: dict[int, PixelData] = {}
        flip = (test_cfg or {}).get('flip_test', False)
        passes: Any = feats if flip else [feats]  # without flip test `feats` can be a list too, as of MMPose's PVT
        device = passes[0][-1].device
        for name, (indices, index) in self._groups(datasets or self.datasets(batch_data_samples), device).items():
            cfg = ConfigDict(test_cfg or {}, **self.test_cfgs.get(name, {}))
            selected = [_select(part, index) for part in passes]
            samples = [batch_data_samples[i] for i in indices]
            result = self._trained_head(name).predict(selected if flip else selected[0], samples, cfg)
            instances, heatmaps = result if isinstance(result, tuple) else (result, [])
            poses.update(zip(indices, instances, strict=True))
            fields.update(zip(indices, heatmaps, strict=bool(heatmaps)))
        order = range(len(batch_data_samples))
        ordered = [poses[i] for i in order]
        return (ordered, [fields.get(i) for i in order]) if fields else ordered


def _losses(
    head: BaseHead, feats: Features, index: Tensor, samples: Sequence[PoseDataSample], train_cfg: dict | None
) -> dict[str, Tensor]:
    """Compute the losses of a head on its samples of a batch; without samples, a zero whose gradients are zero."""
    custom_loss = type(head).loss not in (DecoderHead.loss, HeatmapHead.loss)
    if not custom_loss and any(isinstance(part, _BatchNorm) and part.training for part in head.modules()):
        return heatmap_losses(head, head(feats), samples, train_cfg, feats[-1], index)
    if not samples:
        return dict(loss_kpt=sum((0 * p.sum() for p in head.parameters() if p.requires_grad), index.sum()))
    selected = _select(feats, index)
    if custom_loss:
        return head.loss(selected, samples, train_cfg or {})
    return heatmap_losses(head, head(selected), samples, train_cfg, selected[-1])


def _select(feats: Features, index: Tensor) -> Features:
    """Select the feature maps of some samples; no copy if these are the whole batch."""
    if len(index) == len(feats[-1]):
        return feats
    return tuple(feat[index] for feat in feats)
