"""How a masked autoencoder reads and writes the files of other projects."""

from typing import TYPE_CHECKING

import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor

from ..checkpoints.adaptation import fit_pos_embed
from ..checkpoints.fit import require_fit
from ..checkpoints.formats import IMAGE_GRIDS, recognise, unwrap
from ..checkpoints.key_maps import MAE, MAE_TRANSFORMERS, Table, rename, rename_back, take

if TYPE_CHECKING:
    from .autoencoder import MaskedAutoencoder

ENCODER, DECODER = 'backbone.pos_embed', 'decoder.pos_embed'


def read_checkpoint(
    mae: 'MaskedAutoencoder', state_dict: dict[str, Tensor], prefix: str, metadata: dict | None = None, *_: object
) -> None:
    """Rename a checkpoint's keys for a masked autoencoder, in place; the pre-hook of its `load_state_dict`.

    The backbone's own hook resizes its position table and refuses what does not fit it.

    Args:
        mae: loads the checkpoint.
        state_dict: of this package, of facebookresearch's MAE or of transformers' `ViTMAEForPreTraining`.
        prefix: of the autoencoder's keys in it, '' or ending with a dot.
        metadata: of the autoencoder in it: 'grid' is that of its position tables.

    Raises:
        ValueError: it has no decoder of a masked autoencoder, or does not fit; the message says where.
    """
    weights = take(state_dict, prefix)
    weights = weights if prefix else unwrap(weights)[0]
    origin = recognise(weights, '')
    table = {'mae-full': MAE, 'vitmae': MAE_TRANSFORMERS}.get(origin.format.name) if origin else None
    if table is not None and any(key.startswith('decoder') for key in weights):
        weights = without_cls_slots(rename(weights, table))
    if 'decoder.mask_token' not in weights:
        raise ValueError(
            'the checkpoint has no decoder of a masked autoencoder: for an encoder alone set '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...) instead of load_from"
        )
    recorded = (metadata or {}).get('grid')
    fit_pos_embed(
        weights,
        DECODER,
        mae.grid,
        [recorded] if recorded else [mae.grid, *IMAGE_GRIDS],
        lambda message: print_log(message, 'current'),
    )
    own = {key: value for key, value in weights.items() if not key.startswith('backbone.')}
    require_fit(mae, own, optional=['backbone.'])
    state_dict.update({prefix + key: value for key, value in weights.items()})


def without_cls_slots(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the position of the cls token, which leads both tables; the encoder's is added to the cls token.

    Raises:
        ValueError: the decoder's is not zero, as it is in MAE.
    """
    slots = {name: weights[name][:, :1] for name in (ENCODER, DECODER)}
    if slots[DECODER].any():
        raise ValueError("the decoder's position of the cls token is not zero, as it is in MAE's files")
    tables = {name: weights[name][:, 1:] for name in slots}
    return {**weights, **tables, 'cls_token': weights['cls_token'] + slots[ENCODER]}


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
