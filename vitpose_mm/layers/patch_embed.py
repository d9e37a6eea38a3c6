"""Patch embedding: image to token grid."""

import torch.nn.functional as F
from torch import Tensor, nn

PATCH = 16
PADDING = {16: 2, 8: 4}  # stride: padding, as in the authors' code


class PatchEmbed(nn.Module):
    """Cut an image into 16x16 patches and project each to a token.

    At stride 8 adjacent patches overlap by half. With the padding the grid is (H / stride, W / stride).
    Source: ViTPose section 3.3 and the authors' code; as the source.

    Args:
        in_channels: channels of the image.
        embed_dim: width C of a token.
        stride: 16 or 8 pixels.

    Raises:
        ValueError: the stride is neither 16 nor 8; or, in `forward`, the image is not a float batch.
    """

    def __init__(self, in_channels: int, embed_dim: int, stride: int = 16):
        super().__init__()
        if stride not in PADDING:
            raise ValueError(f'stride={stride}: expected 16 (1/16 features) or 8 (1/8 features)')
        self.stride = stride
        self.proj = nn.Conv2d(in_channels, embed_dim, PATCH, stride=stride, padding=PADDING[stride])

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Token grid (Hp, Wp) of an image of height x width pixels.

        Raises:
            ValueError: a side is not a positive multiple of the stride.
        """
        for side in (height, width):
            if side < self.stride or side % self.stride:
                down = max(side // self.stride, 1) * self.stride
                raise ValueError(
                    f'image size (h, w) = ({height}, {width}): {side} is not a positive multiple of the stride '
                    f'{self.stride}; resize the input, e.g. to {down} or {down + self.stride}'
                )
        return height // self.stride, width // self.stride

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, Hp, Wp, C)."""
        channels = self.proj.in_channels
        if image.ndim != 4 or image.shape[1] != channels:
            hint = ''
            if image.ndim == 3:
                hint = ': add the batch axis with image[None]'
            elif image.ndim == 4 and image.shape[-1] == channels:
                hint = ': move the channels first with image.permute(0, 3, 1, 2)'
            raise ValueError(f'image of shape {tuple(image.shape)}, expected (B, {channels}, H, W){hint}')
        if not image.is_floating_point():
            raise ValueError(
                f'image of {image.dtype}, expected floats: normalise the image, for example with PoseDataPreprocessor'
            )
        self.grid(image.shape[2], image.shape[3])
        # contiguous: every residual sum of the blocks keeps this layout, and each norm would copy a strided one
        return self.proj(image).permute(0, 2, 3, 1).contiguous()

    def project(self, patches: Tensor) -> Tensor:
        """Project single patches, without padding: (..., 16 * 16 * channels), by row, column, channel -> (..., C)."""
        return F.linear(patches, self.proj.weight.permute(0, 2, 3, 1).flatten(1), self.proj.bias)
