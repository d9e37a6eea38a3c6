"""Train the pose estimator of photographs of people, and score it next to MoveNet.

    python projects/real_people/study.py --data FOLDER --everyday FOLDER --weights FOLDER --out work_dirs/real_people

`--data`, `--everyday` and `--weights` are those of photographs.py; the last one also holds DINOv2's ViT-S as
`dinov2_small_hf_fp16.safetensors`. Whole bodies come first, in small crops, then everybody. An interrupted
command continues where it stopped. A processor without bfloat16 instructions trains the `small` recipe, unless
`--recipe` says otherwise; the command first prints how long a training step takes, and all of them.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine import Config
from mmengine.runner import find_latest_checkpoint

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.evaluate import evaluate, open_model
from projects.real_people.photographs import MoveNet, prepare, read
from projects.studies.study import run_config
from vitpose_mm.cost import measure
from vitpose_mm.optim.autocast import has_bfloat16

HERE = Path(__file__).resolve().parent
STAGES = 'bodies', 'everybody'
SCORES = {'coco/AP': 'AP', 'coco/AP .5': 'AP50', 'lsp/AP': 'AP of 14 joints'}
DINOV2 = 'dinov2_small_hf_fp16.safetensors'


class Recipe(NamedTuple):
    """A network and how long it is trained."""

    depth: int
    first_size: tuple[int, int]  # (h, w) of the crops in pixels, in the first stage
    size: tuple[int, int]
    channels: int  # of the decoder's deconvolutions
    batch: int
    bodies: int  # epochs of the people of LSP, LSPET and Parse
    everybody: int  # epochs of all people


RECIPES = {
    'full': Recipe(depth=12, first_size=(192, 144), size=(256, 192), channels=256, batch=32, bodies=8, everybody=10),
    'small': Recipe(depth=6, first_size=(128, 96), size=(192, 144), channels=64, batch=24, bodies=6, everybody=6),
}


def training(recipe: Recipe, stage: str, args: argparse.Namespace) -> Config:
    """The config of a stage, 'bodies' or 'everybody'."""
    config = Config.fromfile(HERE / 'network.py')
    is_first = stage == 'bodies'
    height, width = recipe.first_size if is_first else recipe.size
    loaders = [config[f'{part}_dataloader'] for part in ('train', 'val', 'test')]
    members = [member for loader in loaders for member in loader.dataset.datasets]
    members += [member for part in ('val', 'test') for member in config[f'{part}_evaluator'].datasets]
    codecs = [head.decoder for head in config.model.head.heads.values()]
    for step in [step for each in [*members, loaders[1].dataset, loaders[2].dataset] for step in each.pipeline]:
        if 'input_size' in step:
            step.input_size = (width, height)
        if 'encoder' in step:
            codecs.append(step.encoder)
    for codec in codecs:
        codec.update(input_size=(width, height), heatmap_size=(width // 4, height // 4))
    for member in members:
        member.data_root = f'{args.out / "photographs"}/'
    for part in ('val', 'test'):
        for metric in config[f'{part}_evaluator'].metrics:
            metric.ann_file = str(args.out / 'photographs' / Path(metric.ann_file).name)
    config.model.backbone.arch.depth = recipe.depth
    config.model.backbone.update(img_size=(height, width), drop_path_rate=0.1 if recipe.depth == 12 else 0.0)
    for head in config.model.head.heads.values():
        head.deconv_channels = recipe.channels
    train = config.train_dataloader
    train.batch_size = train.sampler.batch_size = recipe.batch
    if is_first:
        train.dataset.datasets[0].ann_file = 'bodies.json'
        config.model.backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.weights / DINOV2))
        config.model.backbone.init_blocks = None if recipe.depth == 12 else 'first'
    else:
        config.load_from = find_latest_checkpoint(str(args.out / 'bodies'))
    for loader in loaders:
        loader.update(num_workers=args.workers, persistent_workers=args.workers > 0)
    epochs = args.epochs or getattr(recipe, stage)
    config.train_cfg.update(max_epochs=epochs, val_interval=max(epochs // 2, 1))
    warm_up, cosine = config.param_scheduler
    cosine.update(T_max=epochs, end=epochs)
    config.param_scheduler = [warm_up] if is_first else [warm_up, cosine]  # the second stage goes on from a high rate
    config.default_hooks.checkpoint.update(interval=1, save_best=None, max_keep_ckpts=1)
    return config


def estimate(recipe: Recipe, configs: dict[str, Config]) -> str:
    """A line that says how long a training step of each stage takes, and all steps, without loading and scoring."""
    dtype = 'bfloat16' if has_bfloat16() else 'float32'
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    parts, total = [], 0.0
    for stage, config in configs.items():
        (cost,) = measure([config.model], 'train', recipe.batch, device, dtype, steps=2)
        sizes = [
            len(read(Path(m.data_root) / m.ann_file)['annotations']) for m in config.train_dataloader.dataset.datasets
        ]
        steps = config.train_cfg.max_epochs * -(-sum(sizes) // recipe.batch)
        parts.append(f'{stage}: {steps:,} steps of {cost.seconds:.2f} s')
        total += steps * cost.seconds
    return f'{"; ".join(parts)}; together {total / 3600:.1f} hours'


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add('--data', type=Path, required=True, help='folder of the five data folders')
    add('--everyday', type=Path, required=True, help="folder of everyday's photographs")
    add('--weights', type=Path, required=True, help='folder of MoveNet and DINOv2')
    add('--out', type=Path, default=Path('work_dirs/real_people'), help='folder of data, runs and checkpoints')
    add('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    add('--recipe', choices=RECIPES, help='default: full, or small on a processor without bfloat16')
    add('--epochs', type=int, help='of each stage, to try the command')
    add('--workers', type=int, default=2, help='processes that load photographs (default 2)')
    args = parser.parse_args()
    for name in ('data', 'everyday', 'weights', 'out', 'results'):
        setattr(args, name, getattr(args, name).resolve())
    if not (args.weights / DINOV2).is_file():
        parser.error(f'--weights {args.weights}: no {DINOV2} there; README.md says where it comes from')
    name = args.recipe or ('full' if has_bfloat16() or torch.cuda.is_available() else 'small')
    photographs = args.out / 'photographs'
    if not (photographs / 'coco_test.json').is_file():  # the last file that is written
        prepare(args.data, args.everyday, args.weights, photographs)
    recipe = RECIPES[name]
    print(f'{name} recipe: {estimate(recipe, {stage: training(recipe, stage, args) for stage in STAGES})}', flush=True)
    for stage in STAGES:
        run_config(training(recipe, stage, args), args.out / stage, args.results / f'{name}_{stage}.json', SCORES)
    checkpoint = find_latest_checkpoint(str(args.out / STAGES[-1]))
    config = args.out / STAGES[-1] / 'run.py'
    models = {f'{name} recipe': open_model(f'{config},{checkpoint}'), 'MoveNet Thunder': MoveNet(args.weights).predict}
    evaluate(models, photographs, ['lsp_test', 'coco_test'], args.results / f'{name}_scores.json')


if __name__ == '__main__':
    main()
