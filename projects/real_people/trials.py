"""Compare recipes by short trainings: one change each, the same number of steps, on the people held out to choose.

`rendered` adds people that are rendered first. `mmpose_crops` is also compared with `base` on the test people
of COCO whose crops shrink to half or less, where the two kinds of crops differ. `teacher` also learns from the heatmaps
of the stage `full_size`, and `token` from its knowledge token besides.

    python projects/real_people/trials.py --data FOLDER --everyday FOLDER --weights FOLDER --out work_dirs/real_people

The arguments are those of study.py, whose annotation files are used. Each trial trains the first six blocks of DINOv2
with a small decoder at 128x96, from the same seed. An interrupted command continues where it stopped.
"""

import argparse
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from mmengine import Config
from mmengine.registry import init_default_scope

sys.path.append(str(Path(__file__).resolve().parents[2]))  # for the imports from `projects`

from projects.paper.changes import freeze_all_but_token
from projects.paper.photographs import link
from projects.real_people.evaluate import mean_oks, open_model, predict_all
from projects.real_people.found_boxes import corners
from projects.real_people.photographs import combine, prepare, read, with_faces
from projects.real_people.ship import run
from projects.real_people.study import DINOV2, HERE, Stage, drop_teacher, last_checkpoint, set_run, set_size, weights_of
from projects.studies.study import run_config
from vitpose.predict.models.crops import CropRule
from vitpose_base.files import write_text

BATCH, SIZE = 32, (128, 96)  # (h, w) of the crops in pixels
TOKEN = 'trials/token.npz'
RENDERED = 2_000  # images of people that one trial adds
SURE_SCORE, CLOSE_SPREAD = 0.5, 0.025  # of MoveNet's keypoints, for the stricter rule


def sample(content: dict[str, Any], number: int) -> dict[str, Any]:
    """A file with `number` people: each one equally often, and a random rest."""
    people = content['annotations']
    rest = np.random.default_rng(0).permutation(len(people))[: number % len(people)]
    chosen = people * (number // len(people)) + [people[i] for i in rest]
    return dict(content, annotations=[dict(person, id=i + 1) for i, person in enumerate(chosen)])


def only(content: dict[str, Any], *sources: str) -> dict[str, Any]:
    """The people of some sources of a file that `combine` wrote."""
    images = {image['id'] for image in content['images'] if image['file_name'].split('/')[0] in sources}
    return dict(content, annotations=[person for person in content['annotations'] if person['image_id'] in images])


def join(*contents: dict[str, Any]) -> dict[str, Any]:
    """The images and people of several files of `combine`, with new ids."""
    images, people = list[dict[str, Any]](), list[dict[str, Any]]()
    for content in contents:
        first = len(images)  # the ids of a file count its images from 1
        images += [dict(image, id=first + image['id']) for image in content['images']]
        people += [dict(person, image_id=first + person['image_id']) for person in content['annotations']]
    return dict(contents[0], images=images, annotations=[dict(each, id=i) for i, each in enumerate(people, 1)])


def strict(everyday: dict[str, Any]) -> dict[str, Any]:
    """Everyday's labels where MoveNet is surer, and agrees more closely with its mirror image."""
    people = []
    for person in everyday['annotations']:
        is_kept = (np.array(person['scores']) > SURE_SCORE) & (np.array(person['spread']) < CLOSE_SPREAD)
        keypoints = np.array(person['keypoints']).reshape(17, 3) * is_kept[:, None]
        number = int((keypoints[:, 2] > 0).sum())
        if number >= 6:
            people.append(dict(person, keypoints=keypoints.ravel().tolist(), num_keypoints=number))
    return dict(everyday, annotations=people)


def raw_lspet(data: Path) -> dict[str, Any]:
    """All of LSP Extended's training people, with the wrong labels, and MoveNet's faces."""
    content = read(data / 'lspet/train.json')
    by_image = {item['image_id']: item['keypoints17'] for item in read(data / 'lspet/teacher_train.json')}
    return with_faces(content, [by_image[person['image_id']] for person in content['annotations']])


def shrinking(content: dict[str, Any]) -> dict[str, Any]:
    """The people of a file whose crops shrink to half of the image's size or less."""
    rule = CropRule(SIZE[::-1])
    scales = rule.regions(corners(content['annotations']))[1][:, 0] / rule.input_size[0]
    people = [person for person, scale in zip(content['annotations'], scales, strict=True) if scale >= 2]
    return dict(content, annotations=people)


def render(photographs: Path) -> dict[str, Any]:
    """Render people with COCO's keypoints beside the folder of the photographs, if it was not done before."""
    folder = photographs.parent / 'rendered'
    if not folder.is_dir():
        run('synth', '--out', folder, '--train', RENDERED, '--val', 1)
    link(folder / 'train', 'rendered', photographs)
    return combine({'rendered': read(folder / 'annotations/train.json')})


def write_people(photographs: Path, data: Path, steps: int) -> None:
    """Write `trial_*.json`, the training people of the trials, all of the same number."""
    everybody = read(photographs / 'everybody.json')
    without = only(everybody, 'lsp', 'lspet', 'parse', 'coco_people')
    raw = join(only(everybody, 'lsp', 'parse', 'coco_people', 'everyday'), combine({'lspet': raw_lspet(data)}))
    stricter = join(without, combine({'everyday': strict(read(data / 'everyday/train.json'))}))
    files = dict(everybody=everybody, without_everyday=without, raw=raw, strict=stricter)
    files['rendered'] = join(everybody, render(photographs))
    for name, content in files.items():
        write_text(photographs / f'trial_{name}.json', json.dumps(sample(content, steps * BATCH)))


def use(name: str, config: Config, args: argparse.Namespace) -> None:
    """Train on other people."""
    config.train_dataloader.dataset.ann_file = f'trial_{name}.json'


def set_squared_error(config: Config, args: argparse.Namespace) -> None:
    """MSE of Gaussian heatmaps, as in the paper."""
    config.model.head.loss = dict(type='KeypointMSELoss', use_target_weight=True)


def set_small_patches(config: Config, args: argparse.Namespace) -> None:
    """Patches of 14 px, as DINOv2 was trained, at 112x84: the same number of tokens."""
    set_size(config, (112, 84), (32, 24))
    config.model.backbone.patch_size = 14


def set_cls_token(config: Config, args: argparse.Namespace) -> None:
    """Keep DINOv2's cls token, beside the patches."""
    config.model.backbone.knowledge_token = dict(init='checkpoint')


def set_average(config: Config, args: argparse.Namespace) -> None:
    """Exponential moving average of the weights."""
    config.custom_hooks = [dict(type='EMAHook', ema_type='ExpMomentumEMA', momentum=0.005, update_buffers=True)]


def drop_half_bodies(config: Config, args: argparse.Namespace) -> None:
    """Train without crops of half a body."""
    pipeline = config.train_dataloader.dataset.pipeline
    config.train_dataloader.dataset.pipeline = [step for step in pipeline if step.type != 'RandomHalfBody']


def set_mmpose_crops(config: Config, args: argparse.Namespace) -> None:
    """Crop as MMPose does, without a filter where a crop shrinks."""
    for step in config.train_dataloader.dataset.pipeline:
        if step.type == 'DecodeAndCrop':
            step.reduced_decoding = False


def teacher_config(args: argparse.Namespace) -> tuple[Config, str]:
    """The config of the stage `full_size` at the size of the trials, and its weights."""
    config = Config.fromfile(HERE / 'network.py')
    set_run(config, Stage(SIZE, 1), args)
    return config, weights_of('full_size', args)


def set_teacher(config: Config, args: argparse.Namespace) -> None:
    """Learn from the teacher's heatmaps, too."""
    teacher, weights = teacher_config(args)
    file = args.out / 'trials/teacher.py'
    file.parent.mkdir(parents=True, exist_ok=True)
    teacher.dump(file)
    kept = {key: Config.fromfile(HERE / 'tiny.py').model[key] for key in ('type', 'teacher', 'distill_loss')}
    config.model.update(kept)
    config.model.teacher.update(config=str(file), checkpoint=weights)


def set_token(config: Config, args: argparse.Namespace) -> None:
    """Give the student the teacher's token, too; see `train_token`."""
    set_teacher(config, args)
    config.model.backbone.knowledge_token = dict(init=str(args.out / TOKEN), frozen=True, width=384)


def train_token(args: argparse.Namespace) -> None:
    """Train a knowledge token alone, with the weights of `full_size`."""
    config, config.load_from = teacher_config(args)
    config.train_dataloader.dataset.datasets[0].ann_file = 'trial_everybody.json'
    freeze_all_but_token(config, list(config.model.head.heads.values()))
    config.compile = False
    folder = args.out / 'trials/teacher_with_token'
    run_config(config, folder, folder / 'result.json', {'coco/AP': 'AP'})
    run('token', 'extract', str(last_checkpoint(folder)), '--out', args.out / TOKEN, '--overwrite')


TRIALS: dict[str, Callable[[Config, argparse.Namespace], None]] = {
    'base': lambda config, args: None,
    'squared_error': set_squared_error,
    'patch_14': set_small_patches,
    'cls_token': set_cls_token,
    'average': set_average,
    'whole_bodies': drop_half_bodies,
    'raw_labels': partial(use, 'raw'),
    'without_everyday': partial(use, 'without_everyday'),
    'strict_everyday': partial(use, 'strict'),
    'rendered': partial(use, 'rendered'),
    'mmpose_crops': set_mmpose_crops,
    'teacher': set_teacher,
    'token': set_token,
}


def trial_config(name: str, args: argparse.Namespace) -> Config:
    """The config of a trial."""
    config = Config.fromfile(HERE / 'tiny.py')
    drop_teacher(config)
    set_run(config, Stage(SIZE, 1), args)
    config.train_dataloader.batch_size = BATCH
    use('everybody', config, args)
    config.model.backbone.update(
        init_cfg=dict(type='Pretrained', checkpoint=str(args.weights / DINOV2)), init_blocks='first'
    )
    config.compile = False  # compiling takes as long as it saves in so few steps
    TRIALS[name](config, args)
    return config


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    for name in ('data', 'everyday', 'weights'):
        add(f'--{name}', type=Path, required=True, help='as of study.py')
    add('--out', type=Path, default=Path('work_dirs/real_people'), help='folder of data, runs and checkpoints')
    add('--results', type=Path, default=HERE / 'results', help='folder of the finished results')
    add('--steps', type=int, default=400, help=f'of {BATCH} people (default 400)')
    add('--workers', type=int, default=2, help='processes that load photographs (default 2)')
    add('--only', choices=TRIALS, nargs='+', default=list(TRIALS), help='trials (default: all)')
    args = parser.parse_args()
    for name in ('data', 'everyday', 'weights', 'out', 'results'):
        setattr(args, name, getattr(args, name).resolve())
    args.epochs = None
    init_default_scope('mmpose')
    photographs = args.out / 'photographs'
    if not (photographs / 'coco_test.json').is_file():
        prepare(args.data, args.everyday, args.weights, photographs)
    write_people(photographs, args.data, args.steps)
    file = args.results / 'trials.json'
    table = json.loads(file.read_text()) if file.is_file() else {}
    for name in args.only:
        if name in table:
            continue
        if name == 'token' and not (args.out / TOKEN).is_file():
            train_token(args)
        folder = args.out / 'trials' / name
        run_config(trial_config(name, args), folder, folder / 'result.json', {'coco/AP': 'AP'})
        result = read(folder / 'result.json')
        predict = open_model(f'{folder / "run.py"},{last_checkpoint(folder)}')
        row = dict(AP=result['scores'][-1]['AP'], step_seconds=result['step_seconds'], machine=result['machine'])
        people = {each: read(photographs / f'{each}.json') for each in ('choose', 'choose_coco')}
        if name in ('base', 'mmpose_crops'):
            people['shrinking'] = shrinking(read(photographs / 'coco_test.json'))
        for key, content in people.items():
            row[f'OKS_{key}'] = mean_oks(predict_all(predict, content, photographs / 'images'), content)
        table[name] = row
        write_text(file, json.dumps(table, indent=1) + '\n')
        print(name, *(f'{key} {value:.3f}' for key, value in table[name].items() if key != 'machine'), flush=True)


if __name__ == '__main__':
    main()
