"""A tiny model whose heatmaps are like those of a trained network: Gaussians, fitted by least squares.

Random heatmaps would not do: their maxima are flat or nearly equal, and the least change of a crop moves them far.
"""

from copy import deepcopy

import numpy as np
import torch
from torch.nn import functional as F

from tests.unit.predict.tiny_models import HEATMAP, single, write
from vitpose.bench.crowd_scenes import render_people
from vitpose.predict.models.torch_model import PoseModel
from vitpose_mm.export import onnx_file

IMAGES, PEOPLE = 2, 3
FITTED_IMAGES = 4  # fewer fit their crops so closely that a crop of another tool changes the scores


@torch.no_grad()
def write_fitted(folder):
    """Write config and checkpoint of a model that finds each keypoint near a place of its own in the crop."""
    files = write(single(decoder='simple'), folder)
    model = PoseModel(*files, device='cpu')
    vit, head = model.model.backbone, model.model.head
    vit.pos_embed.normal_(std=1, generator=torch.Generator().manual_seed(0))  # places matter more than the image
    fitted = zip(*render_people(FITTED_IMAGES, PEOPLE), strict=True)
    crops = np.concatenate([cropped(model.crop_rule, *pair) for pair in fitted])
    cells = F.interpolate(F.relu(vit(model.normalized(crops))[-1]), scale_factor=4, mode='bilinear')
    columns, rows = HEATMAP
    centers = 6 + torch.rand(17, 2, generator=torch.Generator().manual_seed(0)) * torch.tensor([columns, rows]).sub(13)
    grid = torch.stack(torch.meshgrid(torch.arange(columns), torch.arange(rows), indexing='xy'), -1).flatten(0, 1)
    targets = torch.exp(-(grid[:, None] - centers).square().sum(-1) / 8).repeat(len(crops), 1).double()
    inputs = F.pad(F.unfold(cells, 3, padding=1).transpose(1, 2).flatten(0, 1), (0, 1), value=1).double()
    ridge = 1e-3 * len(inputs) * torch.eye(inputs.shape[1])
    solved = torch.linalg.solve(inputs.T @ inputs + ridge, inputs.T @ targets).T
    head.final_layer.weight.copy_(solved[:, :-1].reshape(head.final_layer.weight.shape))
    head.final_layer.bias.copy_(solved[:, -1])
    torch.save(dict(state_dict=model.model.state_dict(), meta={}), files[1])
    return files


def export_once(monkeypatch):
    """In a test of one model, which takes seconds to export: each kind of graph is converted to ONNX once."""
    export, exported = onnx_file.as_onnx, {}

    def as_onnx(graph, example):
        if type(graph) not in exported:
            exported[type(graph)] = export(graph, example)
        return deepcopy(exported[type(graph)])

    monkeypatch.setattr(onnx_file, 'as_onnx', as_onnx)


def people():
    return render_people(IMAGES, PEOPLE)


def image_px_per_input_px(rule):
    """Of the person whose crop shrinks most."""
    return (rule.regions(np.concatenate(people()[1]))[1][:, 0] / rule.input_size[0]).max()


def cropped(rule, image, boxes):
    """Crops (N, h, w, 3) of an image."""
    crops = np.empty((len(boxes), *rule.input_size[::-1], 3), np.uint8)
    rule.crop(image, *rule.regions(boxes), crops)
    return crops
