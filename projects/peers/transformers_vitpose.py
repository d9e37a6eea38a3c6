"""ViTPose of transformers as a contestant."""

from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from transformers import VitPoseBackboneConfig, VitPoseConfig, VitPoseForPoseEstimation, VitPoseImageProcessor
from transformers.models.vitpose.modeling_vitpose import VitPoseEstimatorOutput

from vitpose.bench.bench_setup import Setup
from vitpose.bench.contestant import Boxes, Contestant, Images, LeftOut
from vitpose_mm.checkpoints.key_maps import TRANSFORMERS, TRANSFORMERS_HEAD, pop_prefix, rename_back
from vitpose_mm.networks.vit_sizes import parse_size


class Inputs(NamedTuple):
    """Crops (N, 3, h, w), and the boxes (N, 4) x y w h that they were cut from."""

    crops: Tensor
    boxes: np.ndarray


class TransformersVitPose(Contestant):
    """VitPoseForPoseEstimation and VitPoseImageProcessor.

    Raises:
        LeftOut: the model is not one that transformers has.
    """

    packages = ('transformers',)

    def __init__(self, setup: Setup):
        self.batch_size, self.device = setup.batch_size, setup.device
        width, height = setup.crop_rule.input_size
        mean, std = setup.preprocessor()
        self.processor = VitPoseImageProcessor(
            size=dict(height=height, width=width), image_mean=(mean / 255).tolist(), image_std=(std / 255).tolist()
        )
        self.model = _load(setup, (height, width)).to(setup.device).eval()

    def preprocess(self, images: Images, boxes: Boxes) -> Inputs:
        """VitPoseImageProcessor, with normalization; it takes RGB and x y w h."""
        rgb = [cv2.cvtColor(image, cv2.COLOR_BGR2RGB) for image in images]
        sizes = [np.concatenate((corners[:, :2], corners[:, 2:] - corners[:, :2]), 1) for corners in boxes]
        crops = self.processor(rgb, boxes=[xywh.tolist() for xywh in sizes], return_tensors='pt')['pixel_values']
        return Inputs(crops, np.concatenate(sizes))

    @torch.inference_mode()
    def network(self, inputs: Inputs) -> list[Any]:
        """The model."""
        return [self.model(crops.to(self.device)).heatmaps for crops in inputs.crops.split(self.batch_size)]

    def decode(self, inputs: Inputs, outputs: list[Any]) -> np.ndarray:
        """VitPoseImageProcessor, one batch at a time."""
        keypoints, start = [], 0
        for heatmaps in outputs:
            boxes = inputs.boxes[start : start + len(heatmaps)][None]
            start += len(heatmaps)
            people = self.processor.post_process_pose_estimation(VitPoseEstimatorOutput(heatmaps=heatmaps), boxes)[0]
            keypoints += [person['keypoints'].numpy() for person in people]
        return np.stack(keypoints)


def _load(setup: Setup, size: tuple[int, int]) -> Any:
    """The model of transformers with our weights."""
    backbone, head = setup.config.model.backbone, setup.config.model.head
    if backbone.get('type') != 'ViT' or head.get('type') not in ('ClassicHead', 'SimpleHead'):
        raise LeftOut(f'transformers has no model of {backbone.get("type")} and {head.get("type")}')
    fields = parse_size(backbone.get('arch', 'base'))
    weights = setup.weights()
    try:
        part = rename_back(pop_prefix(weights, 'backbone.'), TRANSFORMERS)
        table = part['embeddings.position_embeddings']
        part['embeddings.position_embeddings'] = torch.cat((torch.zeros_like(table[:, :1]), table), 1)
        renamed = {f'backbone.{key}': value for key, value in part.items()}
        part = rename_back(pop_prefix(weights, 'head.'), TRANSFORMERS_HEAD)
        renamed |= {f'head.{key}': value for key, value in part.items()}
        vit = VitPoseBackboneConfig(
            image_size=size,
            hidden_size=fields.embed_dim,
            num_hidden_layers=fields.depth,
            num_attention_heads=fields.num_heads,
            mlp_ratio=int(fields.mlp_ratio),
            part_features=0,
            out_indices=[fields.depth],
        )
        decoder = dict(num_labels=head.out_channels, use_simple_decoder=head.type == 'SimpleHead')
        theirs = VitPoseForPoseEstimation(VitPoseConfig(backbone_config=vit, **decoder))
        theirs.load_state_dict(renamed)
    except (ValueError, RuntimeError) as problem:  # another stride, attention or decoder
        reason = str(problem).splitlines()[-1].strip()
        raise LeftOut(f'the weights are not those of a model of transformers: {reason}') from problem
    return theirs
