"""How a masked autoencoder reads and writes the files of other projects."""

from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from ..backbones.checkpoint import PATCH, possible_grids
from ..checkpoints.adaptation import fit_pos_embed
from ..checkpoints.fit import note_fit
from ..checkpoints.formats import recognise, unwrap
from ..checkpoints.key_maps import MAE, MAE_TRANSFORMERS, Table, rename, rename_back, take

if TYPE_CHECKING:
    from .autoencoder import MaskedAutoencoder

ENCODER, DECODER = 'backbone.pos_embed', 'decoder.pos_embed'


def read_checkpoint(
    mae: 'MaskedAutoencoder', state_dict: dict[str, Tensor], prefix: str, metadata: dict | None = None, *_: object
) -> None:
    """Rename a checkpoint's keys for a masked autoencoder, in place; the pre-hook of its `load_state_dict`.

    The backbone's own hook resizes its position table. What does not fit is noted, see `note_fit`.

    Args:
        mae: loads the checkpoint.
        state_dict: of this package, of facebookresearch's MAE or of transformers' `ViTMAEForPreTraining`.
        prefix: of the autoencoder's keys in it, '' or ending with a dot.
        metadata: of the autoencoder in it: 'grid' is that of its position tables.
    """
    weights = take(state_dict, prefix)
    weights = weights if prefix else unwrap(weights)[0]
    problems: list[str] = []
    origin = recognise(weights, '')
    table = origin.format.autoencoder if origin else None
    recorded = (metadata or {}).get('grid')
    try:
        if table is not None and any(key.startswith('decoder') for key in weights):
            renamed, problems = rename(weights, table)
            weights = without_cls_slots(renamed)
        if DECODER in weights:
            grids = possible_grids(
                mae.backbone, origin and origin.format, recorded, weights[f'backbone.{PATCH}'].shape[2]
            )
            fit_pos_embed(weights, DECODER, mae.grid, grids, lambda message: print_log(message, 'current'))
    except ValueError as problem:
        problems.append(str(problem))
    if weights and 'decoder.mask_token' not in weights:
        problems.append(
            'the checkpoint has no decoder of a masked autoencoder: for an encoder alone set '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...) instead of load_from"
        )
    own = {key: value for key, value in weights.items() if not key.startswith('backbone.')}
    note_fit(mae, own, problems, ('backbone.',))
    state_dict.update({prefix + key: value for key, value in weights.items()})


def without_cls_slots(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the position of the cls token, which leads both tables; the encoder's is added to the cls token.

    Raises:
        ValueError: the decoder's is not zero, as it is in MAE.
    """
    slots = {name: weights[name][:, :1] for name in (ENCODER, DECODER) if name in weights}
    if DECODER in slots and slots[DECODER].any():
        raise ValueError("the decoder's position of the cls token is not zero, as it is in MAE's files")
    weights |= {name: weights[name][:, 1:] for name in slots}
    if ENCODER in slots and 'cls_token' in weights:
        weights['cls_token'] = weights['cls_token'] + slots[ENCODER]
    return weights


def to_mae(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a `MaskedAutoencoder` -> that of facebookresearch's MAE; its files hold it under 'model'."""
    return _write(weights, MAE)


def to_transformers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """State dict of a `MaskedAutoencoder` -> that of transformers' `ViTMAEForPreTraining`.

    Its config needs `layer_norm_eps=1e-6` and `norm_pix_loss=True`.
    """
    return _write(weights, MAE_TRANSFORMERS)


def _write(weights: dict[str, Tensor], table: Table) -> dict[str, Tensor]:
    tables = {name: F.pad(weights[name], (0, 0, 1, 0)) for name in (ENCODER, DECODER)}  # the cls token's position: 0
    return rename_back({**weights, **tables}, table)
