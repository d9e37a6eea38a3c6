"""Layer-wise learning-rate decay whose layer ids come from the model itself."""

import difflib
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from mmengine.logging import print_log
from mmengine.optim import DefaultOptimWrapperConstructor
from mmpose.registry import OPTIM_WRAPPER_CONSTRUCTORS
from rich import box
from rich.console import Console
from rich.table import Table
from torch import nn

OPTIONS = ('layer_decay_rate', 'num_layers', 'custom_keys')
FACTORS = ('lr_mult', 'decay_mult')
WITHOUT_DECAY = ('.bias', 'pos_embed', 'knowledge_token.tokens')  # beside 1-D parameters


@dataclass
class Group:
    """One optimiser group while it is being filled."""

    layer_id: int
    lr_scale: float
    weight_decay: float | None
    custom_key: str | None
    params: list[nn.Parameter] = field(default_factory=list)
    param_names: list[str] = field(default_factory=list)


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class ViTLayerDecayOptimWrapperConstructor(DefaultOptimWrapperConstructor):
    """Gives layer id i of a ViT the learning rate lr * layer_decay_rate ** (L + 1 - i).

    L is the ViT's depth. The ids are asked of every submodule with a ``layer_id(name)`` and a
    ``depth``, wherever it sits in the model, so wrappers and distillers change nothing; any
    other parameter has id L + 1. 1-D parameters, biases, the position table and the knowledge token
    get no weight decay. Frozen parameters are left out. One table of the groups is logged.

    Source: ViTPose's layer decay, as the source; the groups are those of MMPose's
    ``LayerDecayOptimWrapperConstructor`` where that one works.

    Args:
        optim_wrapper_cfg: config of the optimiser wrapper, with ``optimizer`` inside.
        paramwise_cfg: ``layer_decay_rate`` in (0, 1]; ``num_layers``, optional, which must be
            the model's depth; ``custom_keys``, optional, {part of a parameter's name:
            dict(lr_mult=, decay_mult=)}, whose factors multiply what the rule gives. As in
            MMEngine the longest matching key counts, alone.

    Raises:
        ValueError: an option or factor that does not exist or is out of range, a model without
            a ViT, trainable ViTs of different depths, or more than the token of a ViT with
            freeze='all_but_token'.
    """

    def _validate_cfg(self) -> None:
        """Refuse what would otherwise be ignored; called by the parent's ``__init__``."""
        cfg = self.paramwise_cfg
        if not isinstance(cfg, dict):
            raise TypeError(f'paramwise_cfg must be a dict, got {type(cfg).__name__}.')
        _refuse_unknown(cfg, OPTIONS, 'paramwise_cfg')
        rate = cfg.get('layer_decay_rate')
        if not _is_number(rate) or not 0 < rate <= 1:
            raise ValueError(
                f'paramwise_cfg: layer_decay_rate={rate!r}, expected a number in (0, 1], such as '
                f'0.75 for ViT-B; 1 gives every layer the same rate.'
            )
        if self.base_lr is None:
            raise ValueError("optimizer has no 'lr': layer decay needs one to scale.")
        custom_keys = cfg.get('custom_keys', {})
        if not isinstance(custom_keys, dict):
            raise TypeError(f'custom_keys must be a dict, got {type(custom_keys).__name__}.')
        for key, factors in custom_keys.items():
            self._validate_factors(key, factors)

    def _validate_factors(self, key: str, factors: dict[str, Any]) -> None:
        where = f'custom_keys[{key!r}]'
        if not isinstance(factors, dict):
            raise TypeError(f'{where} must be a dict of {", ".join(FACTORS)}, got {factors!r}.')
        _refuse_unknown(factors, FACTORS, where)
        for name, factor in factors.items():
            if not _is_number(factor) or factor < 0:
                raise ValueError(f'{where}: {name}={factor!r}, expected a number from 0.')
        if 'decay_mult' in factors and self.base_wd is None:
            raise ValueError(f"{where} has decay_mult, but optimizer has no 'weight_decay'.")

    def add_params(
        self,
        params: list[dict[str, Any]],
        module: nn.Module,
        prefix: str = '',
        is_dcn_module: int | float | None = None,
    ) -> None:
        """Append the model's groups to ``params``.

        Args:
            params: the optimiser's groups, extended in place. Each has ``params``,
                ``param_names``, ``group_name``, ``lr_scale``, ``lr`` and ``weight_decay``.
            module: the whole model.
            prefix: not used; the parent's signature.
            is_dcn_module: not used; the parent's signature.
        """
        vits = find_vits(module)
        depth = self._depth_of(vits)
        _refuse_beside_token(module, vits)
        rate = self.paramwise_cfg['layer_decay_rate']
        groups: dict[str, Group] = {}
        for name, parameter in module.named_parameters():
            if not parameter.requires_grad:
                continue
            layer_id = layer_id_of(name, vits, depth)
            decays = parameter.ndim > 1 and not any(part in name for part in WITHOUT_DECAY)
            key = self._custom_key_of(name)
            group_name = f'layer_{layer_id}_{"decay" if decays else "no_decay"}'
            group_name += f'_{key}' if key is not None else ''
            if group_name not in groups:
                factors = self.paramwise_cfg.get('custom_keys', {}).get(key, {})
                scale = rate ** (depth + 1 - layer_id) * factors.get('lr_mult', 1)
                weight_decay = self.base_wd if decays else 0.0
                if weight_decay is not None:
                    weight_decay *= factors.get('decay_mult', 1)
                groups[group_name] = Group(layer_id, scale, weight_decay, key)
            groups[group_name].params.append(parameter)
            groups[group_name].param_names.append(name)
        for group_name, group in groups.items():
            params.append(self._as_optimizer_group(group_name, group))
        print_log(render_groups(groups.values(), self.base_lr), logger='current')

    def _depth_of(self, vits: dict[str, nn.Module]) -> int:
        """The one depth of the trainable ViTs, checked against ``num_layers``."""
        if not vits:
            raise ValueError(
                'ViTLayerDecayOptimWrapperConstructor found no ViT in the model: no submodule has '
                "a layer_id(name) and a depth. Use backbone=dict(type='ViT', ...), or another "
                'optimiser constructor for this model.'
            )
        trained = [vit for vit in vits.values() if any(p.requires_grad for p in vit.parameters())]
        depths = {int(vit.depth) for vit in trained or vits.values()}  # type: ignore[arg-type]
        if len(depths) > 1:
            raise ValueError(
                f'the model trains ViTs of different depths {sorted(depths)}, but layer decay '
                f'counts the layers of one. Freeze all but one of them.'
            )
        depth = depths.pop()
        num_layers = self.paramwise_cfg.get('num_layers', depth)
        if num_layers != depth:
            raise ValueError(
                f"paramwise_cfg: num_layers={num_layers!r}, but the model's ViT has {depth} "
                f'blocks. Set num_layers={depth} or leave it out.'
            )
        return depth

    def _custom_key_of(self, name: str) -> str | None:
        """The longest of ``custom_keys`` inside a parameter's name, the first of equals."""
        keys = [key for key in self.paramwise_cfg.get('custom_keys', {}) if key in name]
        return min(keys, key=lambda key: (-len(key), key), default=None)

    def _as_optimizer_group(self, group_name: str, group: Group) -> dict[str, Any]:
        optimizer_group: dict[str, Any] = {
            'params': group.params,
            'param_names': group.param_names,
            'group_name': group_name,
            'lr_scale': group.lr_scale,
            'lr': group.lr_scale * self.base_lr,
        }
        if group.weight_decay is not None:
            optimizer_group['weight_decay'] = group.weight_decay
        return optimizer_group


def find_vits(model: nn.Module) -> dict[str, nn.Module]:
    """Submodules that number their own layers.

    Args:
        model: any model.

    Returns:
        {prefix of its parameters' names: module}; the prefix is '' or ends with a dot.
    """
    return {
        f'{name}.' if name else '': module
        for name, module in model.named_modules()
        if callable(getattr(module, 'layer_id', None)) and isinstance(getattr(module, 'depth', None), int)
    }


def layer_id_of(name: str, vits: dict[str, nn.Module], depth: int) -> int:
    """Layer id of a parameter, from 0 to depth + 1.

    Args:
        name: the parameter's name in the whole model.
        vits: what ``find_vits`` found there.
        depth: L, number of blocks.
    """
    # torch.compile's wrapper passes layer_id through, so a ViT may be found twice; the longest
    # prefix is the ViT itself.
    prefix = max((prefix for prefix in vits if name.startswith(prefix)), key=len, default=None)
    if prefix is None:
        return depth + 1
    layer_id = vits[prefix].layer_id(name[len(prefix) :])  # type: ignore[operator]
    assert 0 <= layer_id <= depth + 1, f'{name}: layer id {layer_id} of a ViT {depth} deep'
    return layer_id


def _refuse_beside_token(model: nn.Module, vits: dict[str, nn.Module]) -> None:
    """A ViT whose token alone shall train cannot freeze what is around it."""
    if any(getattr(vit, 'freeze', None) == 'all_but_token' for vit in vits.values()):
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and 'knowledge_token.' not in name:
                raise ValueError(
                    f"freeze='all_but_token', but {name} trains, too: freeze the decoder with "
                    "head=dict(type='ClassicHead' or 'SimpleHead', freeze=True)"
                )


def render_groups(groups: Iterable[Group], base_lr: float) -> str:
    """A plain-text table of the groups, by layer id."""
    groups = sorted(groups, key=lambda group: (group.layer_id, group.weight_decay or 0))
    has_custom = any(group.custom_key is not None for group in groups)
    table = Table(title='Optimiser groups', box=box.ASCII)
    for column in ('layer id', 'lr', 'weight decay', 'tensors', 'parameters'):
        table.add_column(column, justify='right')
    if has_custom:
        table.add_column('custom key')
    for group in groups:
        row = [
            str(group.layer_id),
            f'{group.lr_scale * base_lr:.3e}',
            "optimiser's own" if group.weight_decay is None else f'{group.weight_decay:g}',
            str(len(group.params)),
            f'{sum(parameter.numel() for parameter in group.params):,}',
        ]
        table.add_row(*row, *([group.custom_key or ''] if has_custom else []))
    console = Console(file=io.StringIO(), width=120)
    console.print(table)
    return '\n' + console.file.getvalue()  # type: ignore[attr-defined]


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refuse_unknown(given: dict[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in given:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1)
            hint = f' Did you mean {close[0]!r}?' if close else ''
            raise ValueError(f'{where}: unknown key {key!r}.{hint} Known: {", ".join(known)}.')
