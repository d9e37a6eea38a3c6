"""Masked autoencoding: pre-training of a ViT without labels."""

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import MessageHub
from mmengine.model import BaseModel
from mmpose.registry import MODELS
from torch import Tensor, nn

from ..backbones import ViT
from ..checkpoints.mmengine_loading import init_pretrained
from ..layers.index import copy_to
from ..networks.routing import expert_route
from ..networks.vit_checkpoint import add_vit_metadata
from .mae_checkpoint import adapt_to_autoencoder
from .masked_decoder import MaskedDecoder
from .masking import gather, mask_noise, patchify, sincos_table, split_patches, visible_count

VARIANCE_EPS = 1e-6  # in the per-patch normalization


@MODELS.register_module()
class MaskedAutoencoder(BaseModel):
    """Masked autoencoder: a ViT encodes the visible patches, a small decoder predicts the pixels of the masked ones.

    Source: MAE (arXiv 2111.06377) and its code; as the source, also for rectangular images. Patches do not overlap
    and have no padding; a ViT that is fine-tuned from it reads each patch of 16 pixels with ViTPose's padding of 2, as
    ViTPose does with MAE's own weights.

    Checkpoints of facebookresearch's MAE and of transformers' `ViTMAEForPreTraining` load without conversion;
    `mae_checkpoint.to_mae` writes the former. A fine-tuning config starts from a checkpoint of this model with
    `backbone=dict(init_cfg=dict(type='Pretrained', checkpoint=FILE, prefix='backbone.'))`.

    Masks depend on the run's seed and on a sample's position in the training, see `masking.mask_noise`.

    Args:
        backbone: config of a `ViT` whose stride is the patch size, with full attention and without knowledge token.
            Its position table is fixed to sines and cosines.
        decoder: arguments of `MaskedDecoder`, by default dict(dim=512, depth=8, heads=16).
        mask_ratio: share of masked patches, in (0, 1).
        data_preprocessor: normalizes the images; the targets are patches of the normalized image.
        init_cfg: MMEngine's.

    Raises:
        ValueError: an argument is invalid; the message names it and the accepted values.
    """

    def __init__(
        self,
        backbone: dict,
        decoder: dict | None = None,
        mask_ratio: float = 0.75,
        data_preprocessor: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
    ):
        super().__init__(data_preprocessor, init_cfg)
        if not 0 < mask_ratio < 1:
            raise ValueError(f'mask_ratio={mask_ratio!r}: expected a share of the patches in (0, 1), such as 0.75')
        self.mask_ratio = mask_ratio
        self.backbone = MODELS.build(backbone)
        check_backbone(self.backbone)
        self.grid, dim = self.backbone.grid, self.backbone.embed_dim
        visible_count(self.grid[0] * self.grid[1], mask_ratio)
        with torch.no_grad():
            self.backbone.pos_embed.copy_(sincos_table(self.grid, dim))
        self.backbone.pos_embed.requires_grad_(False)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        pixels = self.backbone.patch_embed.proj.weight[0].numel()
        self.decoder = MaskedDecoder(dim, self.grid, pixels, **(decoder or {}))
        self._init_parameters()
        self._register_load_state_dict_pre_hook(adapt_to_autoencoder, with_module=True)
        self._register_state_dict_hook(add_vit_metadata)

    def init_weights(self) -> None:
        """Initialize as MMEngine does; a checkpoint of `init_cfg` must fit."""
        init_pretrained(self, super().init_weights)

    def _init_parameters(self) -> None:
        """Initialize as MAE: Xavier for all linear layers and the patch embedding, N(0, 0.02) for tokens."""
        for module in self.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.flatten(1) if module.weight.ndim == 4 else module.weight)
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for token in (self.cls_token, self.decoder.mask_token):
            nn.init.normal_(token, std=0.02)

    def forward(
        self,
        inputs: Tensor,
        data_samples: Sequence[Any] | None = None,
        mode: str = 'tensor',
        noise: Tensor | None = None,
    ) -> Any:
        """Encode the visible patches, decode all, compare the masked ones; ValueErrors as in `patchify`.

        Args:
            inputs: images (B, 3, H, W), normalized.
            data_samples: name the dataset of each image for a backbone with experts; there are no labels.
            mode: 'loss', 'predict' or 'tensor', as in MMEngine.
            noise: (B, N), selects the masked patches; None draws the noise of the current training step.

        Returns:
            'loss': dict(loss=...). Otherwise: predicted patches (B, N, P), normalized per patch, and the `Split`.
        """
        patches = self.patchify(inputs)
        split = split_patches(self.noise(patches) if noise is None else noise, self.mask_ratio)
        predicted = self.decoder(self.encode(patches, split.visible, data_samples), split.restore)
        if mode == 'loss':
            return dict(loss=masked_loss(predicted, patches, split.masked))
        return predicted, split

    def patchify(self, image: Tensor) -> Tensor:
        """Cut images (B, 3, H, W) into patches (B, N, P). ValueError if their size is not the backbone's `img_size`."""
        if tuple(image.shape[2:]) != self.backbone.img_size:
            raise ValueError(
                f'images of (h, w) = {tuple(image.shape[2:])}, but img_size={self.backbone.img_size}: set '
                'PretrainCrop(input_size=(w, h)) and backbone.img_size=(h, w) to the same size'
            )
        return patchify(image, self.backbone.patch_embed.patch_size)

    def encode(self, patches: Tensor, visible: Tensor, data_samples: Sequence[Any] | None = None) -> Tensor:
        """Encode cls token and visible patches: patches (B, N, P), indices (B, V) -> (B, 1 + V, C)."""
        vit = self.backbone
        position = vit.pos_embed.expand(len(patches), -1, -1)
        tokens = vit.patch_embed.project(gather(patches, visible)) + gather(position, visible)
        # one row of tokens, as attention is full; the cls token has no position
        row = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)[:, None]
        names = [sample.get('dataset_name') for sample in data_samples] if vit.experts and data_samples else None
        (row,) = vit.transform((row,), *expert_route(vit.experts, patches, names))
        return vit.last_norm(row.squeeze(1))

    def noise(self, patches: Tensor) -> Tensor:
        """Draw the noise (B, N) of the current step for patches (B, N, P), on their device.

        The sampler distributes consecutive samples over the processes in turn, so each uses its rows.
        """
        hub, world = MessageHub.get_current_instance(), get_world_size()
        count = len(patches) * world
        noise = mask_noise(hub.get_info('seed', 0), hub.get_info('iter', 0) * count, count, patches.shape[1])
        return copy_to(patches.device, torch.from_numpy(noise[get_rank() :: world]))


def check_backbone(vit: nn.Module) -> None:
    """Refuse a backbone that cannot encode a subset of its patches; a ValueError says why and what to do."""
    if not isinstance(vit, ViT):
        raise ValueError(f"backbone: {type(vit).__name__}, expected dict(type='ViT', ...) of vitpose_mm")
    embed = vit.patch_embed
    if embed.stride != embed.patch_size:
        raise ValueError(
            f'backbone: stride={embed.stride}: overlapping patches would show masked pixels; pre-train with '
            f'stride={embed.patch_size}, and fine-tune from it with stride={embed.stride}'
        )
    if any(entry.window for entry in vit.layout):
        raise ValueError(
            'backbone: windowed attention needs the whole grid, of which masking leaves single tokens: pre-train with '
            "attention='full', and fine-tune from it with windows; their weights are the same"
        )
    if vit.knowledge_token is not None:
        raise ValueError('backbone: knowledge_token: pre-train without it; it is trained in fine-tuning')


def masked_loss(predicted: Tensor, patches: Tensor, masked: Tensor) -> Tensor:
    """Compute the mean squared error on masked patches, a scalar; each target is normalized by its mean and variance.

    `predicted` and `patches`, those of the normalized image, are (B, N, P); `masked` (B, N) is 1 for masked and 0 for
    visible. Source: MAE with `norm_pix_loss`; as the source.
    """
    variance, mean = torch.var_mean(patches, dim=2, keepdim=True)
    error = (predicted.float() - (patches - mean) / (variance + VARIANCE_EPS).sqrt()).square().mean(dim=2)
    return (error * masked).sum() / masked.sum()
