"""The paper's two decoders as MMPose heatmap heads."""

from collections.abc import Sequence
from typing import Any

import torch
from mmpose.models.heads import HeatmapHead
from mmpose.registry import MODELS
from mmpose.structures import PoseDataSample
from torch import Tensor, nn

from ..checkpoints.key_maps import TRANSFORMERS_HEAD, pop_prefix, rename
from ..checkpoints.mmengine_loading import init_pretrained
from ..checkpoints.validation import check_filled, store_load_problem
from ..logs import log
from ..networks.decoders import Decoder, classic_decoder, simple_decoder, upsampling_factor
from ..networks.heatmaps.confidence import FINGERPRINT, PREFIX
from ..networks.heatmaps.presence import PREFIX as PRESENCE
from .batch_targets import describe_codec
from .heatmap_losses import heatmap_losses
from .presence_head import PresenceHead, add_judgments

DEFAULT_LOSS = dict(type='KeypointMSELoss', use_target_weight=True)


class DecoderHead(HeatmapHead):
    """A decoder as MMPose's head: fp32 heatmaps under autocast, freezing, and checked checkpoints.

    `store_load_problem` stores which parts of the decoder a checkpoint lacks. The whole decoder may be missing if
    `may_be_absent` is set, as for one of several decoders.
    """

    may_be_absent = False
    filled: bool | None = None  # see `check_filled`
    calibration: nn.Module | None = None  # only in tests, see `use_calibrations`

    def __init__(
        self,
        network: Decoder,
        *args: Any,
        freeze: bool = False,
        allow_new_final_layer: bool = False,
        confidence: dict | None = None,
        presence: bool = False,
        **kwargs: Any,
    ):
        super().__init__(*args, deconv_out_channels=None, deconv_kernel_sizes=None, final_layer=None, **kwargs)
        self.deconv_layers, self.final_layer = network.deconv_layers, network.final_layer
        self.freeze, self.allow_new_final_layer = freeze, allow_new_final_layer
        self.kept_keypoints: dict[int, int] = {}  # index of a keypoint: index of the same name in the checkpoint
        if freeze:
            self.requires_grad_(False)
        sizes = dict(in_channels=self.in_channels, num_keypoints=self.out_channels)
        if confidence and not hasattr(self.decoder, 'targets'):
            expected = 'expected a BatchUDPHeatmap or BatchMSRAHeatmap'
            raise ValueError(f'confidence with decoder={describe_codec(self.decoder)}: {expected}')
        self.confidence = MODELS.build({**sizes, **confidence}) if confidence else None
        if presence != getattr(self.decoder, 'presence', False):
            expected = 'set presence=True in both, with a BatchUDPHeatmap or BatchMSRAHeatmap, or in neither'
            raise ValueError(f'presence={presence} with decoder={describe_codec(self.decoder)}: {expected}')
        self.presence = PresenceHead(**sizes) if presence else None
        self._register_load_state_dict_pre_hook(self._read_checkpoint)

    def _read_checkpoint(self, state_dict: dict, prefix: str, *_: object) -> None:
        weights = rename(pop_prefix(state_dict, prefix), TRANSFORMERS_HEAD)[0]
        calibration = pop_prefix(weights, PREFIX)  # only holds for the checkpoint's weights, see `use_calibrations`
        calibration.pop(FINGERPRINT, None)
        if self.confidence is not None and calibration:
            shapes = {key: value.shape for key, value in self.confidence.state_dict().items()}
            if {key: value.shape for key, value in calibration.items()} == shapes:
                weights |= {PREFIX + key: value for key, value in calibration.items()}
            else:
                log('the checkpoint has another kind of calibration: the ConfidenceHead of the config is not loaded')
        if self.presence is None:
            pop_prefix(weights, PRESENCE)
        weight, problems = weights.get('final_layer.weight'), []
        kept = self.kept_keypoints if self.allow_new_final_layer else {}
        others = bool(kept) and kept != {i: i for i in range(self.out_channels)}
        is_new = False
        if weight is not None and (weight.shape[0] != self.out_channels or others):
            if self.allow_new_final_layer:
                weights |= self._new_final_layer(weights)
                is_new = len(kept) < self.out_channels
                pop_prefix(weights, PRESENCE)  # of other keypoints
            else:
                problems.append(
                    f'the checkpoint predicts {weight.shape[0]} keypoints, this head out_channels={self.out_channels}: '
                    "set out_channels to the checkpoint's, or keep the rest of the decoder with "
                    'allow_new_final_layer=True'
                )
        optional = ('',) if self.may_be_absent and not weights else (PREFIX, PRESENCE)  # every key starts with ''
        store_load_problem(self, weights, problems, optional, main='final_layer.')
        if is_new:  # random before it is trained
            self.filled = False
        if self.presence is not None and weights:
            self.presence.filled = any(key.startswith(PRESENCE) for key in weights)
            if not self.presence.filled:
                log('the checkpoint has no presence: it is not predicted before it is trained')
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
        for part in filter(None, (self.confidence, self.presence)):
            part.train(mode)
        return self

    def forward(self, feats: tuple[Tensor, ...]) -> Tensor:
        """Map feature maps, the last one (B, C, Hp, Wp), to heatmaps (B, K, Hm, Wm) in fp32.

        ValueError if the loaded checkpoint has no decoder.
        """
        check_filled(self)
        return super().forward(feats).float()

    def predict(
        self,
        feats: tuple[Tensor, ...] | list[tuple[Tensor, ...]],
        batch_data_samples: Sequence[PoseDataSample],
        test_cfg: dict | None = None,
    ) -> Any:
        """Predict as MMPose's `HeatmapHead`, and add what a calibration or presence says about the keypoints.

        With a calibration, `keypoint_scores` are probabilities, and the instances have `expected_oks` (1,) and
        `keypoints_presence` (1, K); with presence, they have `keypoints_presence` and `keypoints_visibility` (1, K).
        """
        test_cfg = test_cfg or {}
        presence = self.presence if self.presence is not None and self.presence.filled is not False else None
        if self.calibration is None and presence is None:
            return super().predict(feats, batch_data_samples, test_cfg)
        people, maps = super().predict(feats, batch_data_samples, {**test_cfg, 'output_heatmaps': True})
        features: Any = (feats[0] if test_cfg.get('flip_test', False) else feats)[-1]
        heatmaps = torch.stack([each.heatmaps for each in maps])
        add_judgments(people, self.decoder, heatmaps, features, self.calibration, presence)
        return (people, maps) if test_cfg.get('output_heatmaps') else people

    def loss(
        self, feats: tuple[Tensor, ...], batch_data_samples: Sequence[PoseDataSample], train_cfg: dict | None = None
    ) -> dict[str, Tensor]:
        """Compute loss and accuracy of a batch, on its device.

        Args:
            feats: feature maps, the last one (B, C, Hp, Wp).
            batch_data_samples: B samples, from a pipeline with `KeypointTarget` or MMPose's `GenerateTarget`.
            train_cfg: the model's; compute_acc=False turns the accuracy off.

        Returns:
            `loss_kpt`, and `acc_pose`: see `pck_accuracy`; and with `confidence` or `presence` its loss.

        Raises:
            ValueError: see `batch_targets`; the targets have another shape than the heatmaps.
        """
        heatmaps = self(feats)
        return heatmap_losses(self, heatmaps, batch_data_samples, train_cfg, feats[-1])


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
        freeze: do not train the decoder, nor update the statistics of its batch norms; confidence and presence train.
        allow_new_final_layer: accept a checkpoint with a different number of keypoints and load all but the last
            layer. With `RunCheckHook`, keypoints of the same name keep their rows of the last layer.
        confidence: config of a `ConfidenceHead`, trained beside the decoder; None for none.
        presence: whether to predict which keypoints are inside the crop, and visible; if so, also set it in `decoder`.

    Raises:
        ValueError: the stride is unsupported, confidence has a codec of MMPose or none, or only one of head and codec
            has presence; on loading, the checkpoint does not fit.
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
        presence: bool = False,
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
            presence=presence,
        )


@MODELS.register_module()
class SimpleHead(DecoderHead):
    """ReLU, bilinear upsampling to 1/4 of the input, then a 3x3 convolution.

    Source: ViTPose section 3.1; as the source at feature stride 16. At stride 8 the factor is 2; for heatmaps at 1/2 it
    doubles. Arguments and errors are those of `ClassicHead`, without `deconv_channels`.
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
        presence: bool = False,
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
            presence=presence,
        )
