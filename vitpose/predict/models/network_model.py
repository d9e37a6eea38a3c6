"""The pose model of a checkpoint alone, on torch alone: crops in, heatmaps and keypoints out."""

from pathlib import Path
from typing import Any

from vitpose_mm.checkpoints.model_parts import ModelParts, split_parts
from vitpose_mm.checkpoints.safe_load import load_logged
from vitpose_mm.logs import log
from vitpose_mm.networks.from_checkpoint import build_network, head_datasets
from vitpose_mm.networks.heatmaps.codecs import build_codec

from ...errors import InputError, MissingFileError, one_line
from .description import choose_dataset, describe, read_datasets, recorded_dataset
from .file_info import FORMAT, FileInfo, codec_fields
from .graph_model import GraphModel


class NetworkModel(GraphModel):
    """A ViTPose on a device, for one dataset: its weights tell the network, the dataset keypoints, crop and codec.

    Keypoints, crop and codec are those of the shipped configs of the dataset, unless the file records its own config.
    The arguments are those of `load_model`, and `is_separated`: the decoder was trained in a multi-dataset model, whose
    configs give crop and codec.

    OSError if the file does not exist; ValueError for an unknown device, precision or dataset, or a file that is not
    that of a ViTPose.
    """

    def __init__(
        self,
        checkpoint: str | Path,
        device: str = 'auto',
        precision: str = 'fp32',
        flip_test: bool = False,
        dataset: str | None = None,
        compile: bool = False,
        is_separated: bool = False,
    ):
        super().__init__(device, precision, flip_test, compile)
        path = Path(checkpoint)
        if not path.exists():
            raise MissingFileError(f'{checkpoint}: no such checkpoint')
        try:
            loaded = load_logged(path)
            parts = split_parts(loaded.weights, loaded.meta, log=log, keep_tokens=True)
            name = _choose(dataset, parts, recorded_dataset(loaded.meta))
            heads = head_datasets(parts)
            about = describe(loaded.meta, name, is_separated or len(heads) > 1 or bool(parts.expert_shape[0]))
            options = dict(about.network, heatmap_size=about.codec.get('heatmap_size'))
            network = build_network(parts, name if name in heads else '', about.vit, **options)
            (height, width), factor = network.backbone.img_size, network.head.upsampling
            rows, columns = network.backbone.grid
            self.decoder = build_codec(about.codec, (width, height), (columns * factor, rows * factor))
            fields: dict[str, Any] = about.keypoints | about.crop
            fields |= dict(input_size=[width, height], codec=codec_fields(self.decoder), rgb=network.rgb)
            fields |= dict(mean=None, std=None, inputs='crops', outputs='keypoints', flip_test=flip_test)
            fields |= dict(precision=self.precision, version='', checkpoint='', sha256='')
            info = FileInfo(format=FORMAT, **fields)
        except Exception as problem:  # what a file records may make torch raise anything
            text = one_line(problem)
            raise InputError(text if str(path) in text else f'{checkpoint}: {text}') from problem
        predicted, self.num_keypoints = network.head.final_layer.out_channels, len(info.keypoint_names)
        if predicted != self.num_keypoints:
            raise InputError(f'{checkpoint}: it predicts {predicted} keypoints, {name!r} has {self.num_keypoints}')
        self.model, self.metainfo, self.crop_rule = network, info.metainfo | {'model': path.name}, info.crop_rule
        self._place(network, network.head)
        self._calibrate(loaded.weights, name, checkpoint)


def _choose(dataset: str | None, parts: ModelParts, recorded: str | None) -> str:
    """Choose the dataset to predict: the given one, or the only one that the file knows."""
    names = head_datasets(parts)
    if names == ['']:
        if dataset is None and recorded is None:
            count = len(parts.heads[''].get('final_layer.weight', ()))
            near = [name for name, about in read_datasets().items() if len(about['keypoint_names']) == count]
            unknown = f'the dataset of its {count} keypoints is not recorded'
            raise InputError(f'{unknown}: choose it with dataset=..., such as {", ".join(near) or "none that ships"}')
        names = [recorded or str(dataset)]
    return choose_dataset(dataset, names)
