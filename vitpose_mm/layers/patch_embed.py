"""Patch embedding: image to token grid."""

import torch.nn.functional as F
from torch import Tensor, nn

# patch size: {stride: padding}; ViTPose's as in the authors' code, DINOv2's patches have no padding
PADDING = {16: {16: 2, 8: 4}, 14: {14: 0}}


class PatchEmbed(nn.Module):
    """Cut an image into square patches and project each to a token.

    Patches of 16 pixels have ViTPose's padding of 2; at stride 8 it is 4, and adjacent patches overlap by half.
    Patches of 14 pixels are DINOv2's: no padding and no overlap. The grid is (H / stride, W / stride).
    Source: ViTPose section 3.3, the authors' code, and DINOv2's; as the sources.

    Args:
        in_channels: channels of the image.
        embed_dim: width C of a token.
        stride: in pixels; None for the patch size. Patches of 16 pixels can also have 8.
        patch_size: 16 or 14 pixels.

    Raises:
        ValueError: the patch size or stride is unsupported; in `forward`: the image is not a float batch.
    """

    def __init__(self, in_channels: int, embed_dim: int, stride: int | None = None, patch_size: int = 16):
        super().__init__()
        if type(patch_size) is not int or patch_size not in PADDING:
            raise ValueError(f'patch_size={patch_size!r}: expected 16 or 14 pixels')
        self.patch_size, self.stride = patch_size, patch_size if stride is None else stride
        if self.stride not in PADDING[patch_size]:
            strides = ' or '.join(map(str, PADDING[patch_size]))
            raise ValueError(f'stride={stride!r} with patch_size={patch_size}: expected {strides}')
        padding = PADDING[patch_size][self.stride]
        self.proj = nn.Conv2d(in_channels, embed_dim, patch_size, stride=self.stride, padding=padding)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the token grid (Hp, Wp) of an image in pixels. ValueError unless the stride divides both sides."""
        for side in (height, width):
            if side < self.stride or side % self.stride:
                down = max(side // self.stride, 1) * self.stride
                raise ValueError(
                    f'image size (h, w) = ({height}, {width}): {side} is not a positive multiple of the stride '
                    f'{self.stride}; resize the input, e.g. to {down} or {down + self.stride}'
                )
        return height // self.stride, width // self.stride

    def forward(self, image: Tensor) -> Tensor:
        """Embed the patches of images: (B, 3, H, W) -> (B, Hp, Wp, C)."""
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
                f'image of {image.dtype}, expected floats: normalize the image, for example with PoseDataPreprocessor'
            )
        self.grid(image.shape[2], image.shape[3])
        # contiguous: every residual sum of the blocks keeps this layout, and each norm would copy a strided one
        return self.proj(image).permute(0, 2, 3, 1).contiguous()

    def project(self, patches: Tensor) -> Tensor:
        """Project single patches, without padding: (..., P), by row, column, channel -> (..., C)."""
        return F.linear(patches, self.proj.weight.permute(0, 2, 3, 1).flatten(1), self.proj.bias)
