"""How a masked autoencoder reads and writes the files of other projects."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from ..checkpoints.adaptation import fit_pos_embed
from ..checkpoints.key_maps import MAE, MAE_TRANSFORMERS, Table, pop_prefix, rename, rename_back
from ..checkpoints.origins import recognize, unwrap
from ..checkpoints.validation import store_load_problem
from ..logs import log
from ..networks.vit_checkpoint import PATCH_KERNEL, possible_grids

ENCODER_TABLE, DECODER_TABLE = 'backbone.pos_embed', 'decoder.pos_embed'


def adapt_to_autoencoder(
    mae: Any, state_dict: dict[str, Tensor], prefix: str, metadata: dict | None = None, *_: object
) -> None:
    """Rename a checkpoint's keys for a `MaskedAutoencoder`, in place; the pre-hook of its `load_state_dict`.

    The backbone's own hook resizes its position table. `store_load_problem` stores what does not fit.

    The checkpoint is of this package, facebookresearch's MAE or transformers' `ViTMAEForPreTraining`; `prefix` is that
    of the autoencoder's keys, '' or ending with a dot. `metadata` has the 'grid' of its position tables.
    """
    popped = pop_prefix(state_dict, prefix)
    weights = popped if prefix else unwrap(popped)[0]
    problems: list[str] = []
    origin = recognize(weights, '')
    table = origin.format.autoencoder if origin else None
    recorded = (metadata or {}).get('grid')
    try:
        if table is not None and any(key.startswith('decoder') for key in weights):
            renamed, problems = rename(weights, table)
            weights = remove_cls_positions(renamed)
        if DECODER_TABLE in weights:
            side = weights[f'backbone.{PATCH_KERNEL}'].shape[2]
            grids = possible_grids(mae.backbone, origin and origin.format, recorded, side)
            fit_pos_embed(weights, DECODER_TABLE, mae.grid, grids, log)
    except ValueError as problem:
        problems.append(str(problem))
    if weights and 'decoder.mask_token' not in weights:
        problems.append(
            'the checkpoint has no decoder of a masked autoencoder: to load an encoder alone, set '
            "model.backbone.init_cfg=dict(type='Pretrained', checkpoint=...) instead of load_from"
        )
    rest = {key: value for key, value in weights.items() if not key.startswith('backbone.')}
    store_load_problem(mae, rest, problems, ('backbone.',))
    state_dict.update({prefix + key: value for key, value in weights.items()})


def remove_cls_positions(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove the first entry of both position tables, the cls token's; add the encoder's to the cls token.

    ValueError if the decoder's entry is not zero; in MAE's files it is.
    """
    entries = {name: weights[name][:, :1] for name in (ENCODER_TABLE, DECODER_TABLE) if name in weights}
    if DECODER_TABLE in entries and entries[DECODER_TABLE].any():
        raise ValueError("the decoder's position of the cls token is not zero; in MAE's files it is")
    weights |= {name: weights[name][:, 1:] for name in entries}
    if ENCODER_TABLE in entries and 'cls_token' in weights:
        weights['cls_token'] = weights['cls_token'] + entries[ENCODER_TABLE]
    return weights


def to_mae(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a `MaskedAutoencoder`'s state dict as in facebookresearch's MAE, whose files hold it under 'model'."""
    return _rename_back(weights, MAE)


def to_transformers(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename a `MaskedAutoencoder`'s state dict as in transformers' `ViTMAEForPreTraining`.

    Its config needs `layer_norm_eps=1e-6` and `norm_pix_loss=True`.
    """
    return _rename_back(weights, MAE_TRANSFORMERS)


def _rename_back(weights: dict[str, Tensor], table: Table) -> dict[str, Tensor]:
    # the cls token's position is zero
    tables = {name: F.pad(weights[name], (0, 0, 1, 0)) for name in (ENCODER_TABLE, DECODER_TABLE)}
    return rename_back({**weights, **tables}, table)
