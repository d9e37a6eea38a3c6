"""The paper's two decoders: feature maps in, heatmaps out."""

import math

from torch import Tensor, nn


class Decoder(nn.Module):
    """Upsampling, which multiplies the size of the feature map by `upsampling`, then one convolution to heatmaps.

    The upsampling is called `deconv_layers`, as in MMPose's heads, although that of the simple decoder has no weights.
    """

    def __init__(self, deconv_layers: nn.Sequential, final_layer: nn.Conv2d, upsampling: int):
        super().__init__()
        self.deconv_layers, self.final_layer, self.upsampling = deconv_layers, final_layer, upsampling

    def forward(self, feats: Tensor) -> Tensor:
        """Decode a feature map (B, C, Hp, Wp) into heatmaps (B, K, Hm, Wm)."""
        return self.final_layer(self.deconv_layers(feats))


def classic_decoder(in_channels: int, out_channels: int, upsampling: int = 4, channels: int = 256) -> Decoder:
    """Build blocks of deconvolution, batch norm and ReLU, each of which doubles the size, then a 1x1 convolution.

    Source: ViTPose section 3.1, with two blocks of 256 channels.
    """
    layers: list[nn.Module] = []
    for _ in range(int(math.log2(upsampling))):
        layers.append(nn.ConvTranspose2d(in_channels, channels, 4, stride=2, padding=1, bias=False))
        layers += [nn.BatchNorm2d(channels), nn.ReLU(inplace=True)]
        in_channels = channels
    return Decoder(nn.Sequential(*layers), nn.Conv2d(in_channels, out_channels, 1), upsampling)


def simple_decoder(in_channels: int, out_channels: int, upsampling: int = 4) -> Decoder:
    """Build a ReLU, bilinear upsampling, then a 3x3 convolution. Source: ViTPose section 3.1."""
    layers = nn.Sequential(nn.ReLU(), nn.Upsample(scale_factor=upsampling, mode='bilinear', align_corners=False))
    return Decoder(layers, nn.Conv2d(in_channels, out_channels, 3, padding=1), upsampling)


def upsampling_factor(feature_stride: int, heatmap_stride: int) -> int:
    """Return the factor from feature map to heatmaps, 2 to 16; stride 14 counts as 16. ValueError for other strides."""
    if feature_stride not in (32, 16, 14, 8):
        raise ValueError(
            f'feature_stride={feature_stride}: expected the stride of the ViT, 16 or 8 or 14, or 32 of a ResNet'
        )
    if heatmap_stride not in (4, 2):
        raise ValueError(f'heatmap_stride={heatmap_stride}: expected 4 or 2, for heatmaps at 1/4 or 1/2 of the input')
    return (16 if feature_stride == 14 else feature_stride) // heatmap_stride
