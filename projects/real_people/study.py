"""Train the pose estimator of photographs of people, and score it next to MoveNet.

    python projects/real_people/study.py --data FOLDER --everyday FOLDER --weights FOLDER --out work_dirs/real_people

`--data`, `--everyday` and `--weights` are those of photographs.py; the last one also holds DINOv2's ViT-S as
`dinov2_small_hf_fp16.safetensors`. Training begins with whole bodies at 128x96 pixels and goes on with all people. An
interrupted command continues where it stopped; `--only STAGE` trains one stage, from the weights of the one before it
there, or from what is committed: those of `full_size` and `tiny_longer`. A processor without bfloat16 instructions
trains the `small` recipe, unless `--recipe` says otherwise. The command first prints how long one training step takes,
and all of them.
"""

import argparse
import sys
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import find_latest_checkpoint

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.real_people.evaluate import evaluate, open_model
from projects.real_people.photographs import MoveNet, prepare, read
from projects.studies.study import run_config
from vitpose.models.names import model_file
from vitpose_mm.cost import measure
from vitpose_mm.optim.autocast import has_bfloat16

HERE = Path(__file__).resolve().parent
TINY, TEACHER = 'tiny', 'teacher'
SCORES = {'coco/AP': 'AP', 'coco/AP .5': 'AP50', 'lsp/AP': 'AP of 14 joints'}
DINOV2 = 'dinov2_small_hf_fp16.safetensors'


class Stage(NamedTuple):
    """A part of a training."""

    size: tuple[int, int]  # (h, w) of the crops in pixels
    epochs: int
    rate: float = 5e-4  # highest learning rate, of the last block and the decoder
    frozen: int = 0  # first blocks that are not trained
    start: str = ''  # stage whose weights it starts from; '' is DINOv2
    network: str = TEACHER
    teacher: str = ''  # stage that `tiny` learns from, besides the labels


class Recipe(NamedTuple):
    """A network and how it is trained."""

    depth: int
    channels: int  # of the decoder's deconvolutions
    batch: int
    stages: dict[str, Stage]


RECIPES = {
    'full': Recipe(
        12,
        256,
        32,
        dict(
            bodies=Stage((128, 96), 2),
            everybody=Stage((192, 144), 2, frozen=4, start='bodies'),
            tiny=Stage((192, 144), 1, start='everybody', network=TINY, teacher='everybody'),
            tiny_labels=Stage((192, 144), 2, frozen=2, start='tiny', network=TINY),
            longer=Stage((192, 144), 2, frozen=4, start='everybody'),
            full_size=Stage((256, 192), 1, 2e-4, frozen=4, start='longer'),
            tiny_distilled=Stage((192, 144), 5, start='tiny_labels', network=TINY, teacher='longer'),
            tiny_final=Stage((192, 144), 2, 3e-4, frozen=2, start='tiny_distilled', network=TINY),
            tiny_longer=Stage((192, 144), 5, frozen=2, start='tiny_final', network=TINY),
        ),
    ),
    'small': Recipe(
        6,
        64,
        24,
        dict(
            bodies=Stage((128, 96), 6),
            everybody=Stage((192, 144), 6, start='bodies'),
            tiny=Stage((192, 144), 1, start='everybody', network=TINY, teacher='everybody'),
        ),
    ),
}
COMMITTED = {  # weights of stages
    'full_size': HERE / 'weights/teacher.safetensors',
    'tiny_longer': model_file(TINY).with_suffix('.safetensors'),
}


def set_size(config: Config, size: tuple[int, int], heatmap: tuple[int, int] | None = None) -> None:
    """Set (height, width) in pixels of crops, and of heatmaps (default: a quarter), in a config, in place."""
    height, width = size
    heatmap_height, heatmap_width = heatmap or (height // 4, width // 4)
    loaders = [config[f'{part}_dataloader'] for part in ('train', 'val', 'test')]
    pipelines = [member.pipeline for member in members(config)]
    pipelines += [loader.dataset.pipeline for loader in loaders if 'pipeline' in loader.dataset]
    head = config.model.head
    codecs = [each.decoder for each in head.get('heads', dict(only=head)).values()]
    for step in [step for pipeline in pipelines for step in pipeline]:
        if 'input_size' in step:
            step.input_size = (width, height)
        if 'encoder' in step:
            codecs.append(step.encoder)
    for codec in codecs:
        codec.update(input_size=(width, height), heatmap_size=(heatmap_width, heatmap_height))
    config.model.backbone.img_size = (height, width)


def members(config: Config) -> list:
    """The datasets of all loaders and evaluators of a config."""
    datasets = [config[f'{part}_dataloader'].dataset for part in ('train', 'val', 'test')]
    found = [member for dataset in datasets for member in dataset.get('datasets', [dataset])]
    for part in ('val', 'test'):
        found += config[f'{part}_evaluator'].get('datasets', [])
    return found


def set_run(config: Config, stage: Stage, args: argparse.Namespace) -> None:
    """Set crops, folders, schedule and loaders of a config, in place."""
    set_size(config, stage.size)
    epochs = args.epochs or stage.epochs
    photographs = args.out / 'photographs'
    for member in members(config):
        member.data_root = f'{photographs}/'
    for part in ('val', 'test'):
        evaluator = config[f'{part}_evaluator']
        for metric in evaluator.get('metrics', [evaluator]):
            metric.ann_file = str(photographs / Path(metric.ann_file).name)
    for part in ('train', 'val', 'test'):
        config[f'{part}_dataloader'].update(num_workers=args.workers, persistent_workers=args.workers > 0)
    config.train_cfg.update(max_epochs=epochs, val_interval=max(epochs // 2, 1))
    config.param_scheduler[1].update(T_max=epochs, end=epochs)
    config.optim_wrapper.optimizer.lr = stage.rate
    config.model.backbone.update(freeze=stage.frozen or None)
    config.compile = True  # a step takes a fifth less time
    config.default_hooks.checkpoint.update(interval=1, save_best=None, max_keep_ckpts=1)


def last_checkpoint(folder: Path) -> str | None:
    """The last checkpoint of a run, None before there is one."""
    return find_latest_checkpoint(str(folder)) if (folder / 'last_checkpoint').is_file() else None


def weights_of(stage: str, args: argparse.Namespace) -> str:
    """The file of a stage's weights, whether it exists or not: its last checkpoint here, or what is committed of it."""
    return last_checkpoint(args.out / stage) or str(COMMITTED.get(stage, args.out / stage / 'epoch_1.pth'))


def stage_config(name: str, recipe: Recipe, args: argparse.Namespace) -> Config:
    """The config of a stage."""
    stage = recipe.stages[name]
    config = Config.fromfile(HERE / ('tiny.py' if stage.network == TINY else 'network.py'))
    set_run(config, stage, args)
    config.train_dataloader.batch_size = recipe.batch
    backbone = config.model.backbone
    if stage.network == TEACHER:
        config.train_dataloader.sampler.batch_size = recipe.batch
        backbone.arch.depth = recipe.depth
        for head in config.model.head.heads.values():
            head.deconv_channels = recipe.channels
    if not stage.start:
        config.train_dataloader.dataset.datasets[0].ann_file = 'bodies.json'
        backbone.init_cfg = dict(type='Pretrained', checkpoint=str(args.weights / DINOV2))
        backbone.init_blocks = None if recipe.depth == 12 else 'first'
        config.param_scheduler = config.param_scheduler[:1]  # the next stage goes on from a high rate
        return config
    start = weights_of(stage.start, args)
    if recipe.stages[stage.start].network == stage.network:
        config.load_from = start
    else:  # the teacher's first blocks
        backbone.init_cfg = dict(type='Pretrained', checkpoint=start, prefix='backbone.')
        backbone.init_blocks = 'first'
    if stage.teacher:
        run_file = args.out / stage.teacher / 'run.py'
        config.model.teacher.update(config=str(run_file), checkpoint=weights_of(stage.teacher, args))
    elif stage.network == TINY:
        drop_teacher(config)
    return config


def drop_teacher(config: Config) -> None:
    """Let the model of a config learn from labels alone, in place."""
    config.model = {key: value for key, value in config.model.items() if key not in ('teacher', 'distill_loss')}
    config.model.type = 'TopdownPoseEstimator'


def estimate(name: str, args: argparse.Namespace) -> str:
    """A line that says how long a training step of each stage that is left takes, and all of them."""
    recipe = RECIPES[name]
    dtype = 'bfloat16' if has_bfloat16('cpu') else 'float32'
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    parts, total = [], 0.0
    for stage in [args.only] if args.only else recipe.stages:
        if result_file(name, stage, args).exists():
            continue
        config = stage_config(stage, recipe, args)
        (cost,) = measure([config.model], 'train', recipe.batch, device, dtype, steps=2)
        dataset = config.train_dataloader.dataset
        parts_of_it = dataset.get('datasets', [dataset])
        sizes = [len(read(Path(part.data_root) / part.ann_file)['annotations']) for part in parts_of_it]
        steps = config.train_cfg.max_epochs * -(-sum(sizes) // recipe.batch)
        parts.append(f'{stage}: {steps:,} steps of {cost.seconds:.2f} s')
        total += steps * cost.seconds
    return f'{"; ".join(parts)}; together {total / 3600:.1f} hours'


def result_file(name: str, stage: str, args: argparse.Namespace) -> Path:
    """The file of figures of a finished stage."""
    return args.results / f'{name}_{stage}.json'


def run(config: Config, stage: str, name: str, args: argparse.Namespace, scores: dict[str, str]) -> str:
    """Run a stage unless it is finished; return its CONFIG,CHECKPOINT."""
    run_config(config, args.out / stage, result_file(name, stage, args), scores)
    return f'{args.out / stage / "run.py"},{last_checkpoint(args.out / stage)}'


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
    add('--only', help='a stage: train this one alone, from the weights of the one that it starts from')
    add('--epochs', type=int, help='of each stage, to try the command')
    add('--workers', type=int, default=2, help='processes that load photographs (default 2)')
    args = parser.parse_args()
    for name in ('data', 'everyday', 'weights', 'out', 'results'):
        setattr(args, name, getattr(args, name).resolve())
    if not (args.weights / DINOV2).is_file():
        parser.error(f'--weights {args.weights}: no {DINOV2} there; README.md says where it comes from')
    name = args.recipe or ('full' if has_bfloat16('cpu') or torch.cuda.is_available() else 'small')
    photographs = args.out / 'photographs'
    if not (photographs / 'coco_test.json').is_file():  # the last file that is written
        prepare(args.data, args.everyday, args.weights, photographs)
    recipe = RECIPES[name]
    if args.only and args.only not in recipe.stages:
        parser.error(f'--only {args.only}: the {name} recipe has {", ".join(recipe.stages)}')
    if args.only:
        stage = recipe.stages[args.only]
        for before in filter(None, (stage.start, stage.teacher)):
            if not Path(weights_of(before, args)).is_file():
                parser.error(
                    f'--only {args.only}: {before}, which comes before it, has no weights in {args.out}; '
                    'without --only, the command trains it, too'
                )
    init_default_scope('mmpose')
    print(f'{name} recipe: {estimate(name, args)}', flush=True)
    models = {}
    for stage in [args.only] if args.only else recipe.stages:
        network = recipe.stages[stage].network
        scores = dict(list(SCORES.items())[:2]) if network == TINY else SCORES
        models[network] = run(stage_config(stage, recipe, args), stage, name, args, scores)
    contestants = {key: open_model(files) for key, files in models.items()}
    contestants['MoveNet Thunder'] = MoveNet(args.weights).predict
    evaluate(contestants, photographs, ['lsp_test', 'coco_test'], args.results / f'{name}_scores.json')


if __name__ == '__main__':
    main()
