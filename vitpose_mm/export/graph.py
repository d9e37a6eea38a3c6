"""A pose network as graphs of tensors: crops or images in, keypoints and scores or heatmaps out."""

from torch import Tensor, nn

from ..networks.heatmaps.codecs import HeatmapCodec
from ..networks.heatmaps.confidence import Confidence, PeakMap, judge_keypoints
from ..networks.heatmaps.peaks import Peaks
from ..networks.heatmaps.presence import Presence
from ..networks.pose_network import HeatmapNetwork


class HeatmapGraph(nn.Module):
    """From images, or from crops, to heatmaps.

    Its `rgb`, `mean` and `std` are those of the network.

    Args:
        network: in evaluation mode.
        flip_indices: index of each keypoint's mirror image; None for no flip test.
        crops: take uint8 crops and normalize them.
        has_features: also return feature maps, for a calibration.
    """

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self,
        network: HeatmapNetwork,
        flip_indices: list[int] | None = None,
        crops: bool = True,
        has_features: bool = False,
    ):
        super().__init__()
        self.has_features = has_features
        self.network, self.flip_indices, self.crops, self.rgb = network, flip_indices, crops, network.rgb
        for name, value in (('mean', network.mean), ('std', network.std)):
            self.register_buffer(name, None if value is None else value.clone(), persistent=False)

    def forward(self, inputs: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Predict heatmaps (B, C, Hm, Wm) of crops (B, h, w, 3) uint8 BGR, or of normalized images (B, 3, h, w).

        With `has_features`, also the feature maps (B, C, Hp, Wp).
        """
        outputs = self.network.test_with_features(self.normalized(inputs) if self.crops else inputs, self.flip_indices)
        return outputs if self.has_features else outputs[0]

    def normalized(self, crops: Tensor) -> Tensor:
        """Normalize crops (B, h, w, 3) uint8 BGR into the network's input (B, 3, h, w) in fp32."""
        images = crops.permute(0, 3, 1, 2).float()
        images = images.flip(1) if self.rgb else images
        return images if self.mean is None or self.std is None else (images - self.mean) / self.std


class DecodingGraph(nn.Module):
    """From heatmaps to keypoints.

    Args:
        codec: of the heatmaps.
        indices: the keypoints to return; None for all.
        confidence: turns the scores into probabilities; None leaves the maxima.
        has_covariance: also return covariances.
        presence: tells whether keypoints are there and visible; None leaves this out.
    """

    def __init__(
        self,
        codec: HeatmapCodec,
        indices: list[int] | None = None,
        confidence: Confidence | PeakMap | None = None,
        has_covariance: bool = True,
        presence: Presence | None = None,
    ):
        super().__init__()
        self.codec, self.indices, self.confidence, self.presence = codec, indices, confidence, presence
        self.has_covariance = has_covariance

    @property
    def extras(self) -> list[str]:
        """The names of the outputs after keypoints and scores."""
        return ['covariance'] * self.has_covariance + judged_names(self.confidence, self.presence)

    def forward(self, heatmaps: Tensor, features: Tensor | None = None) -> tuple[Tensor, ...]:
        """Decode heatmaps (B, C, Hm, Wm) to keypoints (B, K, 2) in MMPose's input pixels, scores (B, K), and `extras`.

        The extras are covariances (B, K, 2, 2) in input pixels squared; and expected OKS (B,), presence and visibility
        (B, K), which need `features` (B, C, Hp, Wp).
        """
        return self.judge(heatmaps, features, peaks=self.codec.locate(heatmaps))

    def judge(self, heatmaps: Tensor, features: Tensor | None = None, *, peaks: Peaks) -> tuple[Tensor, ...]:
        """Decode as `forward`, with the keypoints and scores that `codec` located."""
        kept = slice(None) if self.indices is None else self.indices
        covariances = [self.codec.covariances(heatmaps, peaks[0])[:, kept]] if self.has_covariance else []
        if self.confidence is None and self.presence is None:
            return peaks[0][:, kept], peaks[1][:, kept], *covariances
        assert features is not None
        judged = judge_keypoints(self.codec, heatmaps, features, peaks, self.confidence, self.presence)
        scores, *others = (value[:, kept] if value.ndim == 2 else value for value in judged.values())
        return peaks[0][:, kept], scores, *covariances, *others


def judged_names(confidence: nn.Module | None, presence: nn.Module | None) -> list[str]:
    """Return the names of what `judge_keypoints` returns beside the scores."""
    both = confidence is not None or presence is not None
    return ['expected_oks'] * (confidence is not None) + ['presence'] * both + ['visibility'] * (presence is not None)


class PoseGraph(nn.Module):
    """From crops to keypoints and the heatmaps in between."""

    def __init__(self, network: HeatmapGraph, decoding: DecodingGraph):
        super().__init__()
        self.network, self.decoding = network, decoding

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Predict what the decoding returns, and heatmaps (B, C, Hm, Wm), of crops (B, h, w, 3) uint8 BGR."""
        outputs = self.network(crops)
        outputs = outputs if self.network.has_features else (outputs,)
        return *self.decoding(*outputs), outputs[0]
