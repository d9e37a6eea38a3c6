"""The study of the paper's tables at toy size: every row runs with its change, the page has what the runs gave."""

import itertools
import json
import sys
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import cv2
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpose.registry import MODELS

from projects.paper import report, study, tables
from projects.studies.study import leaves
from projects.studies.training import PRELOADED, continued

PEOPLE, FEW = 24, 12
ROWS = {2: 8, 4: 4, 5: 7, 7: 3, 8: 10}
TEACHER, TOKEN = 'table8_teacher_seed0', 'table8_teacher-with-token_seed0'
IGNORED = ('work_dir', 'resume', 'test_', 'experiment_name', 'visualizer.name')  # of each run
numbers = itertools.count()
pytestmark = pytest.mark.slow


def train_here(file: Path, folder: Path) -> None:
    """Train as the study does, but in this process: most of a training of one step is the start of its process."""
    config = continued(file, folder)
    config.experiment_name = config.visualizer.name = f'{folder.name} {next(numbers)}'
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    Runner.from_cfg(config).train()
    (folder / 'train.log').write_text(max(folder.glob('*/*.log')).read_text())


@pytest.fixture(scope='module')
def command(write_noise, tmp_path_factory):
    """A function that runs the command with a toy's options, and others; it returns the folder of the toy."""
    folder = tmp_path_factory.mktemp('paper')
    write_noise(folder / 'data', PEOPLE + 6, 6)
    init_default_scope('mmpose')
    root = Path(study.__file__).parents[2]
    mae = MODELS.build(Config.fromfile(root / 'configs/pretrain/mae-mini_synthetic-128x96.py').model)
    torch.save(dict(state_dict=mae.state_dict(), meta={}), folder / 'mae.pth')

    def run(**changes) -> Path:
        paths = dict(data=folder / 'data', out=folder / 'out', results=folder / 'results')
        options = dict(pretrained=folder / 'mae.pth', dtype='float32', people=PEOPLE, steps=1, seeds=1, jobs=1)
        words = [f'--{name}={value}' for name, value in (paths | options | changes).items() if value]
        with pytest.MonkeyPatch.context() as patch:
            # memory is measured in processes that are forked after MMPose is imported
            forked = get_context('forkserver')
            forked.set_forkserver_preload(list(PRELOADED))
            processes = SimpleNamespace(get_context=lambda method: forked)
            patch.setattr(sys.modules['vitpose_mm.cost.measure'], 'multiprocessing', processes)
            patch.setattr(study, 'measure', partial(study.measure, steps=1))
            patch.setattr(study, 'MEASURED', {table: (mode, 2) for table, (mode, _) in study.MEASURED.items()})
            patch.setattr('projects.studies.study.train', train_here)
            patch.setattr(sys, 'argv', ['study.py', *words])
            study.main()
        return folder

    return run


class Done(NamedTuple):
    record: dict
    config: Config


def rows(toy: Path, table: int) -> dict[str, Done]:
    files = {path.stem: json.loads(path.read_text()) for path in (toy / 'results').glob(f'table{table}_*_seed0.json')}
    return {record['row']: Done(record, Config.fromfile(toy / f'out/{name}/run.py')) for name, record in files.items()}


def changed(one: Done, other: Done) -> set[str]:
    flat = [dict(leaves(json.loads(json.dumps(run.config.to_dict())))) for run in (one, other)]
    keys = {key for key in {*flat[0], *flat[1]} if flat[0].get(key, key) != flat[1].get(key, key)}
    return {key for key in keys if not key.startswith(IGNORED)}


def every_row_runs_the_planned_steps(toy):
    runs = {table: rows(toy, table) for table in ROWS}
    assert {table: len(row) for table, row in runs.items()} == ROWS
    records = [run.record for row in runs.values() for run in row.values()]
    assert {(record['iterations'], record['photographs']) for record in records} == {(1, PEOPLE), (1, FEW)}
    for record in records:
        assert len(record['commit']) == 40 and record['versions']['mmpose'] and record['step_seconds'] > 0
        assert record['scores'][-1].keys() == {'epoch', 'AP', 'AP50', 'PCK@0.1'}
        assert str(toy) not in json.dumps(record)
    assert all(path.stat().st_size < 12_000 for path in (toy / 'results').glob('*.json'))


def table_2_changes_backbone_and_decoder(toy):
    runs = rows(toy, 2)
    backbones = (*tables.SIZES, 'ResNet')
    for backbone in backbones:
        classic, simple = (runs[f'{backbone}, {decoder}'] for decoder in ('classic', 'simple'))
        assert (classic.config.model.head.type, simple.config.model.head.type) == ('ClassicHead', 'SimpleHead')
        assert changed(classic, simple) == {'model.head.type', 'model.head.deconv_channels'}
    small, large, resnet = (runs[f'{name}, classic'] for name in ('0.7 M ViT', '8 M ViT', 'ResNet'))
    size = {f'model.backbone.arch.{key}' for key in ('depth', 'embed_dim', 'num_heads')} | {'model.head.in_channels'}
    assert changed(small, large) == size
    assert resnet.config.model.backbone.type == 'ResNet'
    for key in ('param_scheduler', 'train_dataloader'):
        assert resnet.config[key] == small.config[key]
    assert resnet.config.optim_wrapper.optimizer == small.config.optim_wrapper.optimizer
    parameters = [round(runs[f'{name}, classic'].record['parameters'] / 1e6, 1) for name in backbones]
    assert parameters == [0.7, 3.1, 7.6, 3.2]


def table_4_changes_the_input_size(toy):
    runs = rows(toy, 4)
    assert set(runs) == {'64x48', '128x96', '128x128', '192x144'}
    for name, run in runs.items():
        height, width = map(int, name.split('x'))
        assert run.config.model.backbone.img_size == (height, width)
        codec = run.config.model.head.decoder
        assert (codec.input_size, codec.heatmap_size) == ((width, height), (width // 4, height // 4))
        steps = [step for part in ('train', 'val') for step in run.config[f'{part}_dataloader'].dataset.pipeline]
        assert [step.input_size for step in steps if 'input_size' in step] == [(width, height)] * 2
        assert [step.encoder for step in steps if 'encoder' in step] == [codec]
    costs = json.loads((toy / 'results/table4_cost.json').read_text())['rows']
    assert set(costs) == set(runs) and all(cost['seconds'] > 0 for cost in costs.values())


def table_5_changes_the_attention(toy):
    runs = rows(toy, 5)
    macs = {name: run.record['macs'] for name, run in runs.items()}
    assert macs['window'] < macs['window + pool'] < macs['window + full every quarter'] < macs['full']
    full = runs.pop('full')
    model = full.config.model
    assert model.backbone.stride == model.head.feature_stride == 8 and model.backbone.attention == 'full'
    assert all(key.startswith('model.backbone.attention') for run in runs.values() for key in changed(full, run))
    layouts = {'window': {}, 'window + shift': dict(shift=True), 'window + pool': dict(pool=True)}
    layouts |= {'window + shift + pool': dict(shift=True, pool=True)}
    layouts |= {'window + full every quarter': dict(full_every_quarter=True)}
    layouts |= {'larger window + shift + pool': dict(window_size=(8, 6), shift=True, pool=True)}
    layouts = {name: dict(window_size=(4, 4)) | layout for name, layout in layouts.items()}
    assert {name: run.config.model.backbone.attention.to_dict() for name, run in runs.items()} == layouts
    cost = json.loads((toy / 'results/table5_cost.json').read_text())
    assert (cost['mode'], cost['batch'], len(cost['rows'])) == ('train', 2, 7)
    assert all(row['bytes'] > 2**20 and row['seconds'] > 0 for row in cost['rows'].values())


def table_7_keeps_the_photographs_of_a_batch(toy):
    loaders = {name: run.config.train_dataloader for name, run in rows(toy, 7).items()}
    sizes = {'few photographs': 24, '+ COCO': 48, '+ COCO, AIC, MPII': 96}
    assert {name: loader.batch_size for name, loader in loaders.items()} == sizes
    alone, all_sets = loaders['few photographs'], loaders['+ COCO, AIC, MPII']
    photographs, *others = all_sets.dataset.datasets
    assert photographs == alone.dataset and photographs.ann_file.endswith('few_0.json')
    assert [other.type for other in others] == ['CheckedCocoDataset', 'CheckedAicDataset', 'CheckedMpiiDataset']
    assert all_sets.sampler.source_ratio == [1, 1, 1, 1]
    log = (toy / 'out/table7_with-COCO-AIC-MPII_seed0/train.log').read_text()
    assert 'Samples of epoch 1: crowdpose 24, coco 24, aic 24, mpii 24' in log
    few = json.loads((toy / f'out/photographs_{PEOPLE}/few_0.json').read_text())
    assert len(few['annotations']) == PEOPLE and len({person['image_id'] for person in few['annotations']}) == FEW


def table_8_has_a_teacher_and_its_token(toy):
    runs, checkpoints = rows(toy, 8), [toy / f'out/{name}/epoch_1.pth' for name in (TEACHER, TOKEN)]
    assert runs['teacher'].config.model.backbone.init_cfg.checkpoint == str(toy / 'mae.pth')
    assert str(toy / 'mae.pth') in (toy / f'out/{TEACHER}/train.log').read_text()
    teacher, token = (torch.load(path, weights_only=False)['state_dict'] for path in checkpoints)
    assert token.keys() - teacher.keys() == {'backbone.knowledge_token.tokens'}
    assert all(torch.equal(token[key], value) for key, value in teacher.items())  # it was loaded, and is frozen
    token_key = {'model.backbone.knowledge_token'}
    output = {f'model.teacher.{key}' for key in ('config', 'checkpoint', 'precision')}
    output |= {'model.type', 'model.distill_loss.type', 'model.distill_loss.loss_weight'}
    for part, file in (('few', 'few_0.json'), ('all', 'all.json')):
        alone, *others = (runs[f'{name}, {part} photographs'] for name in ('alone', '+ token', '+ output', '+ both'))
        assert alone.config.train_dataloader.dataset.ann_file.endswith(file)
        keys = [{'.'.join(key.split('.')[:3]) for key in changed(alone, run)} for run in others]
        assert keys == [token_key, output, token_key | output]
        assert others[2].config.model.teacher.checkpoint == str(checkpoints[0])


def the_page_has_what_the_runs_gave(toy):
    page = (toy / 'results/README.md').read_text()
    for table in study.TABLES.values():
        assert all(f'| {name} | {row.paper or ""}' in page for name, row in table.rows.items())
        assert all(f'| {claim.text} | ' in page for claim in table.claims)
    assert '24 claims: 0 agrees, 0 disagrees, 24 undecided.' in page  # one seed decides nothing
    assert 'The teacher: AP ' in page and ', from the pre-trained backbone.' in page
    assert 'ms per image' in page and 'peak MiB' in page
    for name in ('verdicts', *(f'table{table}' for table in ROWS)):
        assert f'({name}.png)' in page and cv2.imread(str(toy / f'results/{name}.png')).std() > 10


def finished_runs_are_skipped_and_others_refused(command, toy):
    before = {path.name: path.read_bytes() for path in (toy / 'results').glob('*.json')}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('projects.paper.study.run_all', None)
        command()
        assert {path.name: path.read_bytes() for path in (toy / 'results').glob('*.json')} == before
        with pytest.raises(SystemExit, match='is of a run with train_cfg.max_epochs = 1, now it is 5'):
            command(steps=5)
    # a run whose training is finished, but not its file, continues after its last step
    lost = toy / 'results/table4_64x48_seed0.json'
    lost.unlink()
    command(table=4)
    log = (toy / 'out/table4_64x48_seed0/train.log').read_text()
    assert 'resumed epoch: 1, iter: 1' in log and 'Epoch(train)' not in log
    assert json.loads(lost.read_text())['scores'] == json.loads(before[lost.name])['scores']


def test_the_whole_study_at_toy_size(command, subtests):
    toy = command()  # one test, so that two test processes do not run it twice
    for check in (
        *(every_row_runs_the_planned_steps, table_2_changes_backbone_and_decoder, table_4_changes_the_input_size),
        *(table_5_changes_the_attention, table_7_keeps_the_photographs_of_a_batch),
        *(table_8_has_a_teacher_and_its_token, the_page_has_what_the_runs_gave),
    ):
        with subtests.test(check.__name__):
            check(toy)
    finished_runs_are_skipped_and_others_refused(command, toy)


def check_error(command, capsys, message, **changes):
    with pytest.raises(SystemExit):
        command(**changes)
    assert message in ' '.join(capsys.readouterr().err.split())


def test_bad_options(command, capsys, monkeypatch):
    for changes, message in (
        (dict(data='/missing'), '--data /missing: no such folder'),
        (dict(table=3), '--table: invalid choice: 3'),
        (dict(jobs='0'), '--jobs 0: expected at least 1'),
        (dict(seeds='-1'), '--seeds -1: expected at least 1'),
        (dict(pretrained='/missing.pth'), '--pretrained /missing.pth: no such file'),
    ):
        check_error(command, capsys, message, **changes)
    monkeypatch.setattr(study, 'has_bfloat16', lambda device: False)  # it is only emulated
    check_error(command, capsys, '--dtype float32 trains in float32', dtype=None)


def test_bad_photographs(command, write_noise, tmp_path, capsys):
    write_noise(tmp_path / 'coco', 2, joints=17)
    message = 'train.json has 17 joints per person; expected the 14 of CrowdPose'
    check_error(command, capsys, message, data=tmp_path / 'coco')
    (tmp_path / 'coco/train.json').write_text('[]')
    check_error(command, capsys, "train.json is not in COCO's form", data=tmp_path / 'coco')


def test_the_page_states_the_plan(root, tmp_path):
    paths = dict(data=tmp_path, out=tmp_path, results=tmp_path, photographs=tmp_path, pretrained=None)
    options = dict(seeds=3, steps=None, dtype='bfloat16', labels=8054, few=800, held_out=1000)
    planned = study.Study(SimpleNamespace(**paths, **options)).planned()
    assert '\n'.join(report.plan_lines(planned)) in (root / 'projects/paper/README.md').read_text()
    assert 4 < sum(hours for _, hours in planned.values()) < 5
