"""A network on a device: crops in, heatmaps and keypoints out."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vitpose_mm.export.graph import DecodingGraph, HeatmapGraph, judged_names
from vitpose_mm.networks.folded import fold
from vitpose_mm.networks.heatmaps.codecs import HeatmapCodec
from vitpose_mm.networks.heatmaps.confidence import Confidence, PeakMap, read_confidence
from vitpose_mm.networks.heatmaps.presence import Presence, read_presence
from vitpose_mm.networks.pose_network import HeatmapNetwork
from vitpose_mm.torch_support import check_torch

from ...errors import InputError, one_line
from .crops import CropRule
from .device import PRECISIONS, as_device, as_precision
from .device_crops import DeviceCropRule


class GraphModel:
    """What models in torch share; the arguments are those of `load_model`."""

    crop_rule: CropRule
    metainfo: dict[str, Any]  # MMPose's, parsed, of the predicted keypoints: dataset_name, ...
    num_keypoints: int
    output_indices: list[int] | None = None  # of the decoder's keypoints, those that are returned; None for all
    decoder: Any  # its `batch_decode` decodes heatmaps
    network: HeatmapGraph
    confidence: Confidence | PeakMap | None = None  # turns scores into probabilities; None without calibration
    presence: Presence | None = None  # tells whether keypoints are there and visible; None if trained without

    def __init__(self, device: str = 'auto', precision: str = 'fp32', flip_test: bool = False, compile: bool = False):
        self.device = as_device(device)
        self.precision = as_precision(precision, self.device)
        self._dtype = PRECISIONS[self.precision]
        self.flip_test, self.compiled = flip_test, compile

    @property
    def codec(self) -> HeatmapCodec:
        """The decoder as tensor code."""
        return self.decoder

    def _place(self, network: HeatmapNetwork, decoder: Any) -> None:
        """Set `self.network` to a network in the precision and on the device; `decoder` is folded unless it is None."""
        network.to(self.device).eval().requires_grad_(False)
        # elsewhere heatmaps are those of MMPose to the bit
        if decoder is not None and (self.compiled or self.device.type == 'cuda'):
            network.folded = fold(decoder, self.device.type)
        if self._dtype is not None:  # once, instead of by autocast in every batch
            for module in network.modules():
                if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
                    module.to(self._dtype)
        flip_indices = self.metainfo['flip_indices'] if self.flip_test else None
        if on_gpu := self.device.type == 'cuda':
            self.crop_rule = DeviceCropRule(**asdict(self.crop_rule), device=self.device)
        self.network = HeatmapGraph(network, flip_indices, crops=on_gpu).to(self.device)
        if self.compiled:
            check_torch('2.2', 'compile', InputError)
            graphs: Any = dict(mode='reduce-overhead', dynamic=False) if on_gpu else {}  # one for each size of a batch
            self.network.compile(fullgraph=True, **graphs)

    def _calibrate(self, weights: Mapping[str, Tensor], dataset: str, checkpoint: str | Path) -> None:
        """Use calibration and presence of a checkpoint, if it has them. ValueError if made for other weights."""
        try:
            self.confidence, self.presence = read_confidence(weights, dataset), read_presence(weights, dataset)
        except ValueError as problem:
            raise InputError(f'{checkpoint}: {one_line(problem)}') from problem
        for part in (self.confidence, self.presence):
            if part is not None:
                part.to(self.device).eval().requires_grad_(False)
                self.network.has_features = True
        if self.confidence is not None:
            self.metainfo['score_kind'] = 'probability'

    @property
    def extras(self) -> tuple[str, ...]:
        """What `predict` can return besides keypoints and scores."""
        return ('covariance', *judged_names(self.confidence, self.presence))

    def normalized(self, crops: np.ndarray | Tensor) -> Tensor:
        """Normalize crops (B, h, w, 3) uint8 BGR into the network's input (B, 3, h, w) in fp32, on the device."""
        pixels, graph = torch.as_tensor(crops, device=self.device), self.network
        inputs = torch.empty((len(crops), 3, *crops.shape[1:3]), device=self.device)
        for channel in range(3):  # on a CPU ten times as fast as the graph's steps, with equal results
            inputs[:, channel].copy_(pixels[..., 2 - channel if graph.rgb else channel])
        return inputs if graph.mean is None or graph.std is None else inputs.sub_(graph.mean).div_(graph.std)

    def heatmaps(self, crops: np.ndarray | Tensor) -> Tensor:
        """Predict heatmaps (B, C, Hm, Wm) of crops (B, h, w, 3) uint8 BGR, in fp32, on the device."""
        return self.run(crops)[0]

    @torch.inference_mode()
    def run(self, crops: np.ndarray | Tensor) -> tuple[Tensor, ...]:
        """Map crops (B, h, w, 3) uint8 BGR to heatmaps, and the feature maps (B, C, Hp, Wp) for a calibration."""
        inputs = torch.as_tensor(crops, device=self.device) if self.network.crops else self.normalized(crops)
        if inputs.is_cuda:
            inputs.record_stream(torch.cuda.current_stream(self.device))  # crops are written on another one
        if self.compiled and not inputs.is_cuda:
            torch._dynamo.maybe_mark_dynamic(inputs, 0)
        with torch.autocast(self.device.type, self._dtype) if self._dtype else nullcontext():
            outputs = self.network(inputs)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    @torch.inference_mode()
    def predict(self, crops: np.ndarray | Tensor, extras: Collection[str] = ()) -> tuple:
        """Predict keypoints (B, K, 2) in MMPose's input pixels and scores (B, K) of crops (B, h, w, 3) uint8 BGR.

        With `extras`, some of the attribute of this name, there is a third result: a dict with the covariance
        (B, K, 2, 2) in input pixels squared, the expected OKS (B,), the presence and the visibility (B, K).
        """
        outputs = self.run(crops)
        if not extras and self.confidence is None:
            return self.decode(outputs[0])
        judges = self.confidence, 'covariance' in extras, self.presence
        graph = DecodingGraph(self.codec, self.output_indices, *judges)
        values = to_host(graph.judge(*outputs, peaks=self.peaks(outputs[0])))
        named = dict(zip(graph.extras, values[2:], strict=True))
        return (*values[:2], {name: named[name] for name in extras}) if extras else (values[0], values[1])

    def peaks(self, heatmaps: Tensor) -> tuple[Tensor, Tensor]:
        """Locate keypoints (B, C, 2) in input pixels and maxima (B, C) of heatmaps (B, C, Hm, Wm), on the device."""
        if isinstance(self.decoder, HeatmapCodec):
            return self.decoder.locate(heatmaps, sparse=heatmaps.device.type == 'cpu')
        keypoints, scores = (torch.from_numpy(np.concatenate(each)) for each in self._decode(heatmaps))
        return keypoints.to(self.device), scores.to(self.device)

    def decode(self, heatmaps: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Decode heatmaps (B, C, Hm, Wm) into keypoints (B, K, 2) in MMPose's input pixels and scores (B, K)."""
        keypoints, scores = map(np.concatenate, self._decode(heatmaps))
        kept = slice(None) if self.output_indices is None else self.output_indices
        return keypoints[:, kept], scores[:, kept]

    def _decode(self, heatmaps: Tensor) -> Any:
        if getattr(self.decoder, 'support_batch_decoding', True):  # codecs in pure torch do not tell
            return self.decoder.batch_decode(heatmaps)
        return zip(*map(self.decoder.decode, heatmaps.cpu().numpy()), strict=True)


def to_host(tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Copy fp32 tensors (B, ...) to arrays in one transfer."""
    flat = [tensor.flatten(1) if tensor.ndim > 1 else tensor[:, None] for tensor in tensors]
    parts = torch.cat(flat, 1).cpu().split([part.shape[1] for part in flat], 1)
    return [part.reshape(tensor.shape).numpy() for part, tensor in zip(parts, tensors, strict=True)]
