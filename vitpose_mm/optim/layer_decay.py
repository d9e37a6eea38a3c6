"""Layer-wise learning-rate decay with layer ids from the model itself."""

import difflib
import io
from typing import Any, NamedTuple, TypeGuard

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor, OptimWrapper
from mmpose.registry import OPTIM_WRAPPER_CONSTRUCTORS
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

OPTIONS = ('layer_decay_rate', 'num_layers', 'custom_keys')
FACTORS = ('lr_mult', 'decay_mult')
WITHOUT_DECAY = ('.bias', 'pos_embed', 'knowledge_token.tokens')  # besides 1-D parameters


class GroupKey(NamedTuple):
    """What the parameters of one optimizer group share."""

    layer_id: int
    decays: bool
    custom_key: str | None


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ViTLayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Give the parameters with layer id i of a ViT of depth L the learning rate lr * layer_decay_rate ** (L + 1 - i).

    The layer ids come from each submodule with a `layer_id(name)` method and a `depth`, wherever it is in the
    model, so it works inside wrappers and distillers too. All other parameters have id L + 1. 1-D parameters, biases,
    the position embedding and the knowledge token get no weight decay. Frozen parameters are left out. A table of the
    parameter groups is logged.

    Source: layer decay as in ViTPose; the groups equal those of MMPose's `LayerDecayOptimWrapperConstructor` for
    the models that it supports.

    Args:
        optim_wrapper_cfg: config of the optimizer wrapper, with `optimizer` inside.
        paramwise_cfg: `layer_decay_rate` in (0, 1]; optionally `num_layers`, which must equal the model's depth;
            optionally `custom_keys`, {substring of parameter names: dict(lr_mult=, decay_mult=)}, whose factors
            multiply the learning rate and weight decay above. As in MMEngine, only the longest matching key applies.

    Raises:
        TypeError: `paramwise_cfg`, `custom_keys` or one of its values is not a dict.
        ValueError: an option or factor is unknown or out of range, the optimizer has no `lr`, the model has no ViT or
            trains ViTs of different depths, or a ViT has freeze='all_but_token' and more than its token trains.
    """

    def __call__(self, model: nn.Module) -> OptimWrapper:
        """Build the optimizer; Adam and AdamW on a GPU are fused unless the config says otherwise."""
        cfg = self.optimizer_cfg
        if cfg.get('type') in ('Adam', 'AdamW') and 'foreach' not in cfg and all(p.is_cuda for p in model.parameters()):
            cfg.setdefault('fused', True)
        return super().__call__(model)

    def _validate_cfg(self) -> None:
        """Check all options, since MMEngine ignores unknown ones; called by the parent's `__init__`."""
        cfg = self.paramwise_cfg
        if not isinstance(cfg, dict):
            raise TypeError(f'paramwise_cfg must be a dict, got {type(cfg).__name__}.')
        _check_keys(cfg, OPTIONS, 'paramwise_cfg')
        rate = cfg.get('layer_decay_rate')
        if not _is_number(rate) or not 0 < rate <= 1:
            raise ValueError(
                f'paramwise_cfg: layer_decay_rate={rate!r}, expected a number in (0, 1], such as 0.75 '
                'for ViT-B; 1 gives every layer the same rate.'
            )
        if self.base_lr is None:
            raise ValueError("optimizer has no 'lr': layer decay needs a learning rate to scale.")
        custom_keys = cfg.get('custom_keys', {})
        if not isinstance(custom_keys, dict):
            raise TypeError(f'custom_keys must be a dict, got {type(custom_keys).__name__}.')
        for key, factors in custom_keys.items():
            where = f'custom_keys[{key!r}]'
            if not isinstance(factors, dict):
                raise TypeError(f'{where} must be a dict of {", ".join(FACTORS)}, got {factors!r}.')
            _check_keys(factors, FACTORS, where)
            for name, factor in factors.items():
                if not _is_number(factor) or factor < 0:
                    raise ValueError(f'{where}: {name}={factor!r}, expected a number >= 0.')
            if 'decay_mult' in factors and self.base_wd is None:
                raise ValueError(f"{where} has decay_mult, but optimizer has no 'weight_decay'.")

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, *_: Any, **unused: Any) -> None:
        """Append the parameter groups of a whole model to `params`.

        Each is a dict with `params`, `param_names`, `group_name`, `lr_scale`, `lr` and, if known, `weight_decay`.
        """
        vits = find_vits(module)
        depth = self._depth_of(vits)
        token_only = any(getattr(vit, 'freeze', None) == 'all_but_token' for vit in vits.values())
        groups: dict[GroupKey, dict[str, Any]] = {}
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            if token_only and 'knowledge_token.' not in name:  # of another part, which the ViT cannot check
                raise ValueError(
                    f"freeze='all_but_token', but {name} is trainable too: freeze the decoder with "
                    "head=dict(type='ClassicHead' or 'SimpleHead', freeze=True), without confidence or presence"
                )
            decays = parameter.ndim > 1 and not any(part in name for part in WITHOUT_DECAY)
            custom_keys = [key for key in self.paramwise_cfg.get('custom_keys', {}) if key in name]
            custom_key = min(custom_keys, key=lambda key: (-len(key), key), default=None)  # the longest, then the first
            key = GroupKey(layer_id_of(name, vits, depth), decays, custom_key)
            if key not in groups:
                groups[key] = self._new_group(key, depth)
            groups[key]['params'].append(parameter)
            groups[key]['param_names'].append(name)
        params.extend(groups.values())
        print_log(render_groups(groups), logger='current')

    def _depth_of(self, vits: dict[str, nn.Module]) -> int:
        """Return the depth of the trainable ViTs and check it against `num_layers`."""
        if not vits:
            raise ValueError(
                'ViTLayerDecayOptimWrapperConstructor found no ViT in the model: no submodule has a layer_id(name) and '
                "a depth. Use backbone=dict(type='ViT', ...), or another optimizer constructor for this model."
            )
        trained = [vit for vit in vits.values() if any(p.requires_grad for p in vit.parameters())]
        depths = {int(vit.depth) for vit in trained or vits.values()}  # type: ignore[arg-type]
        if len(depths) > 1:
            raise ValueError(
                f'the model trains ViTs of different depths {sorted(depths)}, but layer decay needs a single depth. '
                'Freeze all but one of them.'
            )
        depth = depths.pop()
        num_layers = self.paramwise_cfg.get('num_layers', depth)
        if num_layers != depth:
            raise ValueError(
                f"paramwise_cfg: num_layers={num_layers!r}, but the model's ViT has {depth} "
                f'blocks. Set num_layers={depth} or leave it out.'
            )
        return depth

    def _new_group(self, key: GroupKey, depth: int) -> dict[str, Any]:
        """Return an empty parameter group with its learning rate and weight decay."""
        factors = self.paramwise_cfg.get('custom_keys', {}).get(key.custom_key, {})
        scale = self.paramwise_cfg['layer_decay_rate'] ** (depth + 1 - key.layer_id) * factors.get('lr_mult', 1)
        name = f'layer_{key.layer_id}_{"decay" if key.decays else "no_decay"}'
        group = dict(
            params=[],
            param_names=[],
            group_name=name if key.custom_key is None else f'{name}_{key.custom_key}',
            lr_scale=scale,
            lr=scale * self.base_lr,
        )
        weight_decay = self.base_wd if key.decays else 0.0
        if weight_decay is not None:
            group['weight_decay'] = weight_decay * factors.get('decay_mult', 1)
        return group


def find_vits(model: nn.Module) -> dict[str, nn.Module]:
    """Find the submodules that number their layers, by the prefix of parameter names: '' or ending with a dot."""
    return {
        f'{name}.' if name else '': module
        for name, module in model.named_modules()
        if callable(getattr(module, 'layer_id', None)) and isinstance(getattr(module, 'depth', None), int)
    }


def layer_id_of(name: str, vits: dict[str, nn.Module], depth: int) -> int:
    """Return the layer id of a parameter of a whole model, 0 to depth + 1; `vits` is `find_vits`' result for it."""
    # torch.compile's wrapper forwards layer_id, so a ViT can be found twice; the longest prefix is the ViT itself.
    prefix = max((prefix for prefix in vits if name.startswith(prefix)), key=len, default=None)
    if prefix is None:
        return depth + 1
    layer_id = vits[prefix].layer_id(name[len(prefix) :])  # type: ignore[operator]
    assert 0 <= layer_id <= depth + 1, f'{name}: layer id {layer_id} of a ViT of depth {depth}'
    return layer_id


def render_groups(groups: dict[GroupKey, dict[str, Any]]) -> str:
    """Return a plain-text table of the parameter groups, sorted by layer id."""
    table = Table(title='Optimizer groups', box=box.ASCII)
    for column in ('layer id', 'lr', 'weight decay', 'tensors', 'parameters'):
        table.add_column(column, justify='right')
    if has_custom := any(key.custom_key is not None for key in groups):
        table.add_column('custom key')
    for key, group in sorted(groups.items(), key=lambda item: (item[0].layer_id, item[1].get('weight_decay') or 0)):
        row = [
            str(key.layer_id),
            f'{group["lr"]:.3e}',
            f'{group["weight_decay"]:g}' if 'weight_decay' in group else "optimizer's own",
            str(len(group['params'])),
            f'{sum(parameter.numel() for parameter in group["params"]):,}',
        ]
        table.add_row(*row, *([key.custom_key or ''] if has_custom else []))
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return '\n' + console.file.getvalue()  # type: ignore[attr-defined]


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_keys(options: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in options:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f' Did you mean {close[0]!r}?' if close else ''
            raise ValueError(f'{where}: unknown key {key!r}.{hint} Known: {", ".join(known)}.')
