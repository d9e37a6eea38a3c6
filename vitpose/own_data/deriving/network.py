"""The network to train, of a named size or the one in a checkpoint, and how to train it."""

from dataclasses import dataclass, replace
from pathlib import Path

from vitpose_mm.checkpoints.model_parts import ModelParts, split_parts
from vitpose_mm.checkpoints.safe_load import load_checkpoint
from vitpose_mm.networks.vit_sizes import SIZES

from ...errors import InputError
from ...models.names import DEFAULT, model_file
from ...predict.models.description import read_recorded_config, recorded_vit

SCRATCH = 'scratch'
ARCHS = ('small', 'base', 'large', 'huge')
TINY_SIZE = (6, 384)  # blocks, and their width
DECONV_KEY = 'deconv_layers.0.weight'
ROTATIONS = ((0.8, 0.0), (0.5, 90.0), (0.0, 180.0))  # lowest resultant length, and least rotation in degrees


@dataclass(frozen=True)
class Network:
    """A ViT and its decoder, as the text of a config."""

    base: str  # config of configs/_base_/models that has the size
    depth: int  # number of blocks
    backbone: str = ''  # more arguments of the ViT
    head: str = ''  # more arguments of the decoder
    load_from: Path | None = None  # checkpoint of a whole pose model to start from
    decay: str = '_base_.layer_decay_rate'  # layer-wise decay of the learning rate
    scratch: bool = False  # all weights start random
    notes: tuple[str, ...] = ()  # what was assumed


def choose_network(arch: str | None, start: str | None) -> Network:
    """Choose the network of a size in ARCHS, or the shipped model's by its name; by default the checkpoint's.

    `start` is the checkpoint of a pose model or a ViT, the name of a shipped model, or SCRATCH for random weights; by
    default the shipped model's, and with `arch` MAE's. OSError if it does not exist, ValueError if it cannot be read,
    its size is not `arch`, or it is a multi-dataset model.
    """
    if (arch, start) == (DEFAULT, SCRATCH):
        return replace(choose_network(arch, DEFAULT), load_from=None, decay='1.0', scratch=True)
    start = DEFAULT if start is None and arch in (None, DEFAULT) else start
    if start in (None, SCRATCH):
        standard = Network(f'vitpose_{arch or "base"}.py', SIZES[arch or 'base'].depth)
        return replace(standard, backbone=', init_cfg=None', decay='1.0', scratch=True) if start else standard
    path = model_file(start, '.safetensors').resolve()
    notes: list[str] = []
    loaded = load_checkpoint(path)
    parts = split_parts(loaded.weights, loaded.meta, drop_unused=True, log=notes.append)
    if parts.expert_shape[0] or len(parts.heads) > 1:
        raise InputError(f'--from {start}: a multi-dataset model; extract one dataset with `vitpose split`')
    depth, width = parts.size
    sizes = [name for name in ARCHS if (SIZES[name].depth, SIZES[name].embed_dim) == parts.size]
    named = next((name for name in sizes if parts.num_heads in (None, SIZES[name].num_heads)), None)
    if arch not in (None, DEFAULT, named) or (arch == DEFAULT and parts.size != TINY_SIZE):
        number = f', {parts.num_heads} attention heads' if sizes else ''
        raise InputError(f'--arch {arch}: {start} has {depth} blocks of width {width}{number}; omit --arch')
    base, backbone, head, decay = f'vitpose_{named}.py', '', '', Network.decay
    if named is None:
        heads = parts.num_heads or width // 64
        if parts.num_heads is None:
            if width % 64:
                problem = 'does not record the number of attention heads'
                raise InputError(f'--from {start}: the file {problem}, and its width {width} is not a multiple of 64')
            notes.append(f'{heads} attention heads of 64 channels assumed: the file does not record their number')
        base, decay = 'vitpose.py', '0.75'
        backbone, head = f', arch=dict(depth={depth}, embed_dim={width}, num_heads={heads})', f', in_channels={width}'
    recorded = recorded_vit(read_recorded_config(loaded.meta))
    backbone += ''.join(f', {key}={value!r}' for key, value in recorded.items())
    head += f', feature_stride={recorded["stride"]}' if recorded.get('stride') else ''
    backbone += _image_size(parts, recorded.get('stride'), notes)
    if not parts.heads:
        notes.append(f'{path.name} is a ViT alone: the decoder starts from random weights')
        backbone += f", init_cfg=dict(type='Pretrained', checkpoint={str(path)!r})"
        return Network(base, depth, backbone, head, decay=decay, notes=tuple(notes))
    (decoder,) = parts.heads.values()
    if DECONV_KEY not in decoder:
        head += ", type='SimpleHead'"
    elif decoder[DECONV_KEY].shape[1] != 256:
        head += f', deconv_channels={decoder[DECONV_KEY].shape[1]}'
    head += ', allow_new_final_layer=True'
    return Network(base, depth, f'{backbone}, init_cfg=None', head, path, decay, notes=tuple(notes))


def _image_size(parts: ModelParts, stride: int | None, notes: list[str]) -> str:
    """Return the argument with the image size of the position table, by its recorded or known grid."""
    count, side = parts.vit['pos_embed'].shape[1], stride or parts.vit['patch_embed.proj.weight'].shape[2]
    if parts.grid is None:
        notes.append(f'{count} positions on an unknown grid: set pretrain_img_size=(h, w) of the backbone in config.py')
        return ''
    rows, columns = parts.grid
    if rows != columns and not parts.recorded:
        assumed = f'a grid of {rows}x{columns} is assumed, as in published files'
        notes.append(f'{count} positions: {assumed}; if it differs, change pretrain_img_size in config.py')
    return f', pretrain_img_size={rows * side, columns * side}'


@dataclass(frozen=True)
class Recipe:
    """Training settings; docs/own_data.md explains where they come from."""

    epochs: int
    batch: int  # instances per step
    rate: float  # learning rate
    frozen: int  # number of first blocks that do not train
    scale: tuple[float, float]  # smallest and largest factor of the box size in augmentation
    rotation: float  # largest angle in augmentation, in degrees


def choose_recipe(instances: int, network: Network, resultant: float | None = None) -> Recipe:
    """Choose by the number of training instances, the initial weights, and the resultant length of their directions."""
    epochs = next(epochs for lowest, epochs in ((10_000, 30), (1_000, 60), (150, 120), (0, 100)) if instances >= lowest)
    frozen = network.depth // 2 if network.load_from and instances < 150 else 0
    scale, rotation = ((0.85, 1.15), 40.0) if instances < 10_000 else ((0.7, 1.3), 80.0)
    if resultant is not None:
        rotation = max(rotation, next(angle for least, angle in ROTATIONS if resultant >= least))
    rate = 1.5e-3 if network.scratch else 5e-4
    return Recipe(epochs, max(min(32, instances // 4), 2), rate, frozen, scale, rotation)
