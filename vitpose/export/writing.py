"""Write a model as one file, and compare the file with torch before it gets its name."""

import os
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

import vitpose_mm
from vitpose_base.files import sha256
from vitpose_mm.export.graph import DecodingGraph, HeatmapGraph, PoseGraph
from vitpose_mm.export.int8 import quantize
from vitpose_mm.export.onnx_file import with_heatmaps, write_onnx
from vitpose_mm.export.openvino_file import write_openvino

from ..errors import InputError
from ..predict.models.exported import ExportedModel
from ..predict.models.file_info import FORMAT, FileInfo, codec_fields, metainfo_fields
from ..predict.models.graph_model import GraphModel
from ..predict.models.onnx_backend import OnnxNetwork
from ..predict.models.openvino_backend import OpenVinoNetwork
from .comparison import BATCH, Differences, agreement, compare, in_batches

SUFFIXES = {'onnx': '.onnx', 'openvino': '.xml'}
PRECISIONS = {'onnx': ('fp32', 'fp16', 'int8'), 'openvino': ('fp32', 'fp16', 'bf16', 'int8')}
COMPARED_CROPS = BATCH + 1  # two sizes of batches
CALIBRATION_CROPS = 300  # for int8, if there are as many


@dataclass(frozen=True)
class Target:
    """What to write."""

    kind: str  # 'onnx' or 'openvino'
    precision: str = 'fp32'  # one of `PRECISIONS`
    decode: bool = True  # take crops and return keypoints, instead of images and heatmaps
    accuracy_drop: float | None = None  # if calibrated, how much the agreement with fp32 may fall, see `agreement`

    def check(self, out: Path) -> None:
        """Raise a ValueError if this cannot be written, or not to `out`."""
        if out.suffix != SUFFIXES[self.kind]:
            raise InputError(f'--out {out}: expected a name that ends in {SUFFIXES[self.kind]} with --to {self.kind}')
        if self.precision not in PRECISIONS[self.kind]:
            expected = f'expected {" or ".join(PRECISIONS[self.kind])}; or use --to openvino'
            raise InputError(f'--to {self.kind} --precision {self.precision}: {expected}')
        if self.accuracy_drop is not None and not (self.is_calibrated and 0 < self.accuracy_drop < 1):
            expected = "expected a number above 0 and below 1, with OpenVINO's int8"
            raise InputError(f'--accuracy-drop {self.accuracy_drop}: {expected}')

    @property
    def is_calibrated(self) -> bool:
        """Whether the ranges of values are measured on crops."""
        return (self.kind, self.precision) == ('openvino', 'int8')


def write_file(
    model: GraphModel, checkpoint: Path, target: Target, out: Path, crops: np.ndarray, checked: bool = True
) -> Differences:
    """Write a model, run the file on crops, and compare; `out` appears on success.

    `model` is on the CPU, in fp32; int8 is calibrated with the crops (N, h, w, 3) uint8 BGR, and the first ones are
    compared. ValueError if the target cannot be written, or, if `checked`, the file differs too much.
    """
    target.check(out)
    judges = model.confidence, True, model.presence
    decoding = DecodingGraph(model.codec, model.output_indices, *judges).eval() if target.decode else None
    options = target.decode, target.decode and model.network.has_features
    network = HeatmapGraph(model.network.network, model.network.flip_indices, *options).eval()
    stored = describe(model, checkpoint, target).texts()
    size = model.crop_rule.input_size[::-1]
    example = torch.zeros(2, *size, 3, dtype=torch.uint8) if target.decode else torch.zeros(2, 3, *size)
    calibration, crops, half = crops, crops[:COMPARED_CROPS], target.precision == 'fp16'
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f'.{out.name}.', dir=out.parent) as folder:
        file = Path(folder) / out.name
        whole = PoseGraph(network, decoding).eval() if decoding else network
        if target.kind == 'onnx':
            write_onnx(whole, example, file, stored, target.precision)
        else:

            def change(source: Any) -> Any:
                inputs = calibration if target.decode else model.normalized(calibration).numpy()
                accuracy = agreement(model, calibration) if target.accuracy_drop else None
                return quantize(source, inputs, target.accuracy_drop, accuracy)

            keep = change if target.is_calibrated else lambda source: source
            write_openvino(network, decoding, example, file, stored, half, keep)
        written = ExportedModel(file, 'cpu')
        differences = compare(written, run_heatmaps(written, model, crops), model, crops)
        if checked:
            differences.check(target.precision)
        new = written_files(file)
        for part in reversed(new):  # the file that names the other comes last
            os.replace(part, out.with_name(part.name))
        for old in possible_files(out)[len(new) :]:
            old.unlink(missing_ok=True)  # of an earlier and larger model
    return differences


def written_files(out: Path) -> list[Path]:
    """List the files that belong to an exported file, itself first: OpenVINO's weights, or ONNX's above 1.9 GB."""
    out, beside = possible_files(out)
    return [out, beside] if beside.is_file() else [out]


def possible_files(out: Path) -> tuple[Path, Path]:
    """Return an exported file, and the one that may stand beside it."""
    return out, out.with_suffix('.bin') if out.suffix == '.xml' else out.with_name(out.name + '.data')


def run_heatmaps(file: ExportedModel, model: GraphModel, crops: np.ndarray) -> np.ndarray:
    """Compute heatmaps (N, C, Hm, Wm) with a file, also if it returns keypoints."""
    parts = in_batches(crops)
    inputs = parts if file.info.inputs == 'crops' else [model.normalized(part).numpy() for part in parts]
    if isinstance(network := file.network, OpenVinoNetwork):
        return np.concatenate([network.heatmaps(part) for part in inputs])
    if file.info.outputs == 'keypoints':
        network = OnnxNetwork(with_heatmaps(file.file), 'cpu')
    return np.concatenate([network(part)[-1] for part in inputs])


def describe(model: GraphModel, checkpoint: Path, target: Target) -> FileInfo:
    """Collect the metadata of a file."""
    rule, graph = model.crop_rule, model.network
    mean, std = (None if values is None else values.flatten().tolist() for values in (graph.mean, graph.std))
    crop = dict(input_size=list(rule.input_size), padding=float(rule.padding), use_udp=bool(rule.use_udp))
    inputs, outputs = ('crops', 'keypoints') if target.decode else ('images', 'heatmaps')
    fields: dict[str, Any] = crop | dict(mean=mean, std=std, rgb=graph.rgb, codec=codec_fields(model.decoder))
    fields |= dict(inputs=inputs, outputs=outputs, flip_test=model.flip_test, precision=target.precision)
    judged = dict(score_kind=model.metainfo.get('score_kind', 'peak'), extras=list(model.extras))
    fields |= judged if target.decode else {}
    fields |= dict(checkpoint=checkpoint.name, sha256=sha256(checkpoint), **metainfo_fields(model.metainfo))
    return FileInfo(format=FORMAT, version=vitpose_mm.__version__, **fields)
