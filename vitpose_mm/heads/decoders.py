"""The paper's two decoders as MMPose heatmap heads."""

from collections.abc import Sequence
from typing import Any

from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..checkpoints.key_maps import TRANSFORMERS_HEAD, pop_prefix, rename
from ..checkpoints.mmengine_loading import init_pretrained
from ..checkpoints.validation import check_filled, store_load_problem
from ..codecs.pck import pck_accuracy
from ..logs import log
from ..networks.confidence import FINGERPRINT, PREFIX
from ..networks.decoders import Decoder, classic_decoder, simple_decoder, upsampling_factor
from .batch_targets import batch_targets

DEFAULT_LOSS = dict(type='KeypointMSELoss', use_target_weight=True)


class DecoderHead(HeatmapHead):
    """A decoder as MMPose's head: fp32 heatmaps under autocast, freezing, and checked checkpoints.

    `store_load_problem` stores which parts of the decoder a checkpoint lacks. The whole decoder may be missing if
    `may_be_absent` is set, as for one of several decoders.
    """

    may_be_absent = False
    filled: bool | None = None  # see `check_filled`

    def __init__(
        self,
        network: Decoder,
        *args: Any,
        freeze: bool = False,
        allow_new_final_layer: bool = False,
        confidence: dict | None = None,
        **kwargs: Any,
    ):
        super().__init__(*args, deconv_out_channels=None, deconv_kernel_sizes=None, final_layer=None, **kwargs)
        self.deconv_layers, self.final_layer = network.deconv_layers, network.final_layer
        self.freeze, self.allow_new_final_layer = freeze, allow_new_final_layer
        self.kept_keypoints: dict[int, int] = {}  # index of a keypoint: index of the same name in the checkpoint
        if freeze:
            self.requires_grad_(False)
        sizes = dict(in_channels=self.in_channels, num_keypoints=self.out_channels)
        self.confidence = MODELS.build({**sizes, **confidence}) if confidence else None
        self._register_load_state_dict_pre_hook(self._read_checkpoint)

    def _read_checkpoint(self, state_dict: dict, prefix: str, *_: object) -> None:
        weights = rename(pop_prefix(state_dict, prefix), TRANSFORMERS_HEAD)[0]
        if self.confidence is None:  # a calibration, which holds for the checkpoint's weights alone
            weights = {key: value for key, value in weights.items() if not key.startswith(PREFIX)}
        weights.pop(PREFIX + FINGERPRINT, None)
        weight, problems = weights.get('final_layer.weight'), []
        kept = self.kept_keypoints if self.allow_new_final_layer else {}
        others = bool(kept) and kept != {i: i for i in range(self.out_channels)}
        if weight is not None and (weight.shape[0] != self.out_channels or others):
            if self.allow_new_final_layer:
                weights |= self._new_final_layer(weights)
            else:
                problems.append(
                    f'the checkpoint predicts {weight.shape[0]} keypoints, this head out_channels={self.out_channels}: '
                    "set out_channels to the checkpoint's, or keep the rest of the decoder with "
                    'allow_new_final_layer=True'
                )
        optional = ('',) if self.may_be_absent and not weights else (PREFIX,)  # every key starts with ''
        store_load_problem(self, weights, problems, optional, main='final_layer.')
        state_dict.update({prefix + key: value for key, value in weights.items()})

    def init_weights(self) -> None:
        """Initialize as MMEngine does; a checkpoint of `init_cfg` must fit."""
        init_pretrained(self, super().init_weights)

    def _new_final_layer(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return this head's last layer, with the checkpoint's values for `kept_keypoints`."""
        current = {f'final_layer.{key}': value for key, value in self.final_layer.state_dict().items()}
        layer = {key: value.detach().clone() for key, value in current.items() if key in weights}
        for key, value in layer.items():
            for ours, theirs in self.kept_keypoints.items():
                value[ours] = weights[key][theirs]
        count = weights['final_layer.weight'].shape[0]
        log(
            f'the checkpoint predicts {count} keypoints, this head {self.out_channels}: its last layer is new, except '
            f"for {len(self.kept_keypoints)} keypoints of the same name (this head's: the checkpoint's): "
            f'{self.kept_keypoints or "none"}'
        )
        self.kept_keypoints = {}  # MMEngine loads the result once more
        return layer

    def train(self, mode: bool = True) -> 'DecoderHead':
        """Switch to training mode; a frozen decoder stays in evaluation mode, including its batch norms."""
        super().train(mode and not self.freeze)
        return self

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map feature maps, the last one (B, C, Hp, Wp), to heatmaps (B, K, Hm, Wm) in fp32.

        Raises:
            ValueError: the loaded checkpoint has no decoder.
        """
        if not self.may_be_absent:  # MultiDatasetHead knows which of its heads are absent
            check_filled(self)
        return super().forward(feats).float()

    def loss(
        self, feats: tuple[Tensor, ...], batch_data_samples: Sequence[PoseDataSample], train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Compute loss and accuracy of a batch, on its device.

        Args:
            feats: feature maps, the last one (B, C, Hp, Wp).
            batch_data_samples: B samples, from a pipeline with `KeypointTarget` or MMPose's `GenerateTarget`.
            train_cfg: the model's; compute_acc=False turns the accuracy off.

        Returns:
            `loss_kpt`, and `acc_pose`: see `pck_accuracy`; and with `confidence` its loss.

        Raises:
            ValueError: see `batch_targets`.
        """
        heatmaps = self(feats)
        losses = heatmap_losses(self, heatmaps, batch_data_samples, train_cfg)
        if self.confidence is not None:
            losses |= self.confidence.loss(self.decoder, heatmaps.detach(), feats[-1].detach(), batch_data_samples)
        return losses


def heatmap_losses(
    head: HeatmapHead, heatmaps: Tensor, batch_data_samples: Sequence[PoseDataSample], train_cfg: dict | None = None
) -> dict[str, Tensor]:
    """Compute the result of `DecoderHead.loss` from heatmaps (B, K, Hm, Wm) that a head's `forward` returned."""
    targets, weights = batch_targets(head.decoder, batch_data_samples, heatmaps.device)
    losses = dict(loss_kpt=head.loss_module(heatmaps, targets, weights))
    if (train_cfg or {}).get('compute_acc', True):
        losses['acc_pose'] = pck_accuracy(heatmaps.detach(), targets, weights > 0)
    return losses


@MODELS.register_module()
class ClassicHead(DecoderHead):
    """Two blocks of deconvolution, batch norm and ReLU, then a 1x1 convolution.

    Source: ViTPose section 3.1. At feature stride 8, which the paper does not specify, there is one
    block, so the heatmaps stay at 1/4 of the input. Heatmaps at 1/2 take one more block.

    Args:
        in_channels: channels C of the feature map.
        out_channels: number of keypoints K.
        feature_stride: stride of the ViT, 16 or 8; or 14, with heatmaps of 4/14 of the input instead of 1/4
            (196x252: 56x72); 32 for a ResNet, with one more doubling.
        heatmap_stride: 4 for heatmaps at 1/4 of the input, 2 for 1/2.
        loss: MMPose's heatmap loss.
        decoder: MMPose's codec that decodes the heatmaps.
        init_cfg: MMEngine's; None initializes as in MMPose's HeatmapHead.
        deconv_channels: channels of each deconvolution: 256 in the source.
        freeze: do not train the decoder, nor update the statistics of its batch norms.
        allow_new_final_layer: accept a checkpoint with a different number of keypoints and load all but the last
            layer. With `RunCheckHook`, keypoints of the same name keep their rows of the last layer.
        confidence: config of a `ConfidenceHead`, trained beside the decoder; None for none.

    Raises:
        ValueError: the stride is unsupported; on loading, the checkpoint does not fit.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        feature_stride: int = 16,
        heatmap_stride: int = 4,
        loss: dict = DEFAULT_LOSS,
        decoder: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        deconv_channels: int = 256,
        freeze: bool = False,
        allow_new_final_layer: bool = False,
        confidence: dict | None = None,
    ):
        factor = upsampling_factor(feature_stride, heatmap_stride)
        super().__init__(
            classic_decoder(in_channels, out_channels, factor, deconv_channels),
            in_channels,
            out_channels,
            loss=loss,
            decoder=decoder,
            init_cfg=init_cfg,
            freeze=freeze,
            allow_new_final_layer=allow_new_final_layer,
            confidence=confidence,
        )


@MODELS.register_module()
class SimpleHead(DecoderHead):
    """ReLU, bilinear upsampling to 1/4 of the input, then a 3x3 convolution.

    Source: ViTPose section 3.1; as the source at feature stride 16. At stride 8 the factor is 2; for
    heatmaps at 1/2 it doubles.

    Args:
        in_channels: channels C of the feature map.
        out_channels: number of keypoints K.
        feature_stride: stride of the ViT, 16 or 8; or 14, with heatmaps of 4/14 of the input instead of 1/4
            (196x252: 56x72); 32 for a ResNet, with one more doubling.
        heatmap_stride: 4 for heatmaps at 1/4 of the input, 2 for 1/2.
        loss: MMPose's heatmap loss.
        decoder: MMPose's codec that decodes the heatmaps.
        init_cfg: MMEngine's; None initializes as in MMPose's HeatmapHead.
        freeze: do not train the decoder.
        allow_new_final_layer: accept a checkpoint with a different number of keypoints and load all but the last
            layer. With `RunCheckHook`, keypoints of the same name keep their rows of the last layer.
        confidence: config of a `ConfidenceHead`, trained beside the decoder; None for none.

    Raises:
        ValueError: the stride is unsupported; on loading, the checkpoint does not fit.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        feature_stride: int = 16,
        heatmap_stride: int = 4,
        loss: dict = DEFAULT_LOSS,
        decoder: dict | None = None,
        init_cfg: dict | list[dict] | None = None,
        freeze: bool = False,
        allow_new_final_layer: bool = False,
        confidence: dict | None = None,
    ):
        factor = upsampling_factor(feature_stride, heatmap_stride)
        super().__init__(
            simple_decoder(in_channels, out_channels, factor),
            in_channels,
            out_channels,
            loss=loss,
            decoder=decoder,
            init_cfg=init_cfg,
            freeze=freeze,
            allow_new_final_layer=allow_new_final_layer,
            confidence=confidence,
        )
