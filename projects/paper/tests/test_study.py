"""The study of the paper's tables at toy size: every row runs with its change, the page has what the runs gave."""

import json
import sys
from collections.abc import Iterator
from multiprocessing import get_context
from pathlib import Path
from types import ModuleType, SimpleNamespace

import cv2
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from projects.paper import report, tables
from projects.paper import study as paper
from projects.studies.study import leaves

PEOPLE, FEW = 24, 12
ROWS = {2: 8, 4: 4, 5: 7, 7: 3, 8: 8}
TEACHER, TOKEN = 'table8_teacher_seed0', 'table8_teacher-with-token_seed0'


@pytest.fixture(scope='module')
def study() -> Iterator[ModuleType]:
    """The study's module; its memory measurements fork after MMPose is imported, as its trainings do."""
    with pytest.MonkeyPatch.context() as patch:
        forked = SimpleNamespace(get_context=lambda method: get_context('forkserver'))
        patch.setattr(sys.modules['vitpose_mm.cost.measure'], 'multiprocessing', forked)
        patch.setattr(paper, 'MEASURED', {table: (mode, 2) for table, (mode, _) in paper.MEASURED.items()})
        yield paper


@pytest.fixture(scope='module')
def command(study, write_noise, tmp_path_factory):
    """A function that runs the command with a toy's options, and others; it returns the folder of the toy."""
    folder = tmp_path_factory.mktemp('paper')
    write_noise(folder / 'data', PEOPLE + 6, 6)
    init_default_scope('mmpose')
    mae = MODELS.build(
        Config.fromfile(Path(study.__file__).parents[2] / 'configs/pretrain/mae-mini_synthetic-128x96.py').model
    )
    torch.save(dict(state_dict=mae.state_dict(), meta={}), folder / 'mae.pth')

    def run(**changes) -> Path:
        options = dict(
            data=folder / 'data', out=folder / 'out', results=folder / 'results', pretrained=folder / 'mae.pth'
        )
        options |= dict(dtype='float32', people=PEOPLE, steps=1, seeds=1, jobs=1)
        options.update(changes)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, 'argv', ['study.py', *(f'--{name}={value}' for name, value in options.items() if value)])
            study.main()
        return folder

    return run


def records(toy: Path, table: int) -> dict[str, dict]:
    """What the runs of a table reported, by row."""
    found = [json.loads(path.read_text()) for path in (toy / 'results').glob(f'table{table}_*_seed0.json')]
    return {each['row']: each for each in found}


def configs(toy: Path, table: int) -> dict[str, Config]:
    """The configs that the runs of a table wrote, by row."""
    paths = (toy / 'results').glob(f'table{table}_*_seed0.json')
    return {json.loads(path.read_text())['row']: Config.fromfile(toy / f'out/{path.stem}/run.py') for path in paths}


def changed(study, one: Config, other: Config) -> set[str]:
    """The keys in which two configs differ."""
    flat = [dict(leaves(json.loads(json.dumps(config.to_dict())))) for config in (one, other)]
    keys = {key for key in {*flat[0], *flat[1]} if flat[0].get(key, key) != flat[1].get(key, key)}
    return {key for key in keys if not key.startswith(('work_dir', 'resume', 'test_'))}


def every_row_runs_the_planned_steps(study, toy):
    found = [each for table in ROWS for each in records(toy, table).values()]
    assert {table: len(records(toy, table)) for table in ROWS} == {**ROWS, 8: ROWS[8] + 2}
    assert {each['iterations'] for each in found} == {1} and {each['photographs'] for each in found} == {PEOPLE, FEW}
    for each in found:
        assert len(each['commit']) == 40 and each['versions']['mmpose'] and each['step_seconds'] > 0
        assert each['scores'][-1].keys() == {'epoch', 'AP', 'AP50', 'PCK@0.1'}
        assert str(toy) not in json.dumps(each)
    assert all(path.stat().st_size < 12_000 for path in (toy / 'results').glob('*.json'))


def table_2_changes_backbone_and_decoder(study, toy):
    found = configs(toy, 2)
    for backbone in (*tables.SIZES, 'ResNet'):
        classic, simple = (found[f'{backbone}, {decoder}'] for decoder in ('classic', 'simple'))
        assert (classic.model.head.type, simple.model.head.type) == ('ClassicHead', 'SimpleHead')
        assert changed(study, classic, simple) == {'model.head.type', 'model.head.deconv_channels'}
    small, large, resnet = (found[f'{name}, classic'] for name in ('0.7 M ViT', '8 M ViT', 'ResNet'))
    size = {f'model.backbone.arch.{key}' for key in ('depth', 'embed_dim', 'num_heads')} | {'model.head.in_channels'}
    assert changed(study, small, large) == size
    assert resnet.model.backbone.type == 'ResNet' and resnet.optim_wrapper.optimizer == small.optim_wrapper.optimizer
    assert resnet.param_scheduler == small.param_scheduler and resnet.train_dataloader == small.train_dataloader
    counts = {row: round(each['parameters'] / 1e6, 1) for row, each in records(toy, 2).items() if 'classic' in row}
    assert [counts[f'{name}, classic'] for name in (*tables.SIZES, 'ResNet')] == [0.7, 3.1, 7.6, 3.2]


def table_4_changes_the_input_size(study, toy):
    found = configs(toy, 4)
    assert set(found) == {'64x48', '128x96', '128x128', '192x144'}
    for name, config in found.items():
        height, width = map(int, name.split('x'))
        assert config.model.backbone.img_size == (height, width)
        codec, pipelines = (
            config.model.head.decoder,
            [config[f'{part}_dataloader'].dataset.pipeline for part in ('train', 'val')],
        )
        assert (codec.input_size, codec.heatmap_size) == ((width, height), (width // 4, height // 4))
        crops = [step.input_size for pipeline in pipelines for step in pipeline if 'input_size' in step]
        assert crops == [(width, height)] * 2
        assert [step.encoder for pipeline in pipelines for step in pipeline if 'encoder' in step] == [codec]
    rows = json.loads((toy / 'results/table4_cost.json').read_text())['rows']
    assert set(rows) == set(found) and all(row['seconds'] > 0 for row in rows.values())


def table_5_changes_the_attention(study, toy):
    found = configs(toy, 5)
    full = found.pop('full')
    assert full.model.backbone.stride == full.model.head.feature_stride == 8 and full.model.backbone.attention == 'full'
    assert all(
        key.startswith('model.backbone.attention') for each in found.values() for key in changed(study, full, each)
    )
    window = dict(window_size=(4, 4))
    assert {name: each.model.backbone.attention.to_dict() for name, each in found.items()} == {
        'window': window,
        'window + shift': window | dict(shift=True),
        'window + pool': window | dict(pool=True),
        'window + shift + pool': window | dict(shift=True, pool=True),
        'window + full every quarter': window | dict(full_every_quarter=True),
        'larger window + shift + pool': dict(window_size=(8, 6), shift=True, pool=True),
    }
    cost = json.loads((toy / 'results/table5_cost.json').read_text())
    assert (cost['mode'], cost['batch'], len(cost['rows'])) == ('train', 2, 7)
    assert all(row['bytes'] > 2**20 and row['seconds'] > 0 for row in cost['rows'].values())
    macs = {row: each['macs'] for row, each in records(toy, 5).items()}
    assert macs['window'] < macs['window + pool'] < macs['window + full every quarter'] < macs['full']


def table_7_keeps_the_photographs_of_a_batch(study, toy):
    found = configs(toy, 7)
    assert {name: each.train_dataloader.batch_size for name, each in found.items()} == {
        'few photographs': 24, '+ COCO': 48, '+ COCO, AIC, MPII': 96
    }  # fmt: skip
    alone, all_sets = found['few photographs'].train_dataloader, found['+ COCO, AIC, MPII'].train_dataloader
    photographs, *others = all_sets.dataset.datasets
    assert photographs == alone.dataset and photographs.ann_file.endswith('few_0.json')
    assert [other.type for other in others] == ['CheckedCocoDataset', 'CheckedAicDataset', 'CheckedMpiiDataset']
    assert all_sets.sampler.source_ratio == [1, 1, 1, 1]
    log = (toy / 'out/table7_with-COCO-AIC-MPII_seed0/train.log').read_text()
    assert 'Samples of epoch 1: crowdpose 24, coco 24, aic 24, mpii 24' in log
    few = json.loads((toy / f'out/photographs_{PEOPLE}/few_0.json').read_text())
    assert len(few['annotations']) == PEOPLE and len({person['image_id'] for person in few['annotations']}) == FEW


def table_8_has_a_teacher_and_its_token(study, toy):
    found = configs(toy, 8)
    assert found['teacher'].model.backbone.init_cfg.checkpoint == str(toy / 'mae.pth')
    assert str(toy / 'mae.pth') in (toy / f'out/{TEACHER}/train.log').read_text()
    teacher, token = (
        torch.load(toy / f'out/{name}/epoch_{epoch}.pth', weights_only=False)['state_dict']
        for name, epoch in ((TEACHER, 1), (TOKEN, 1))
    )
    assert token.keys() - teacher.keys() == {'backbone.knowledge_token.tokens'}
    assert all(torch.equal(token[key], value) for key, value in teacher.items())  # it was loaded, and is frozen
    for part, file in (('few', 'few_0.json'), ('all', 'all.json')):
        alone, *others = (found[f'{name}, {part} photographs'] for name in ('alone', '+ token', '+ output', '+ both'))
        assert alone.train_dataloader.dataset.ann_file.endswith(file)
        keys = [{'.'.join(key.split('.')[:3]) for key in changed(study, alone, each)} for each in others]
        token_key = {'model.backbone.knowledge_token'}
        teacher_keys = {f'model.teacher.{key}' for key in ('config', 'checkpoint', 'precision')}
        output = teacher_keys | {'model.type', 'model.distill_loss.type', 'model.distill_loss.loss_weight'}
        assert keys == [token_key, output, token_key | output]
        assert others[2].model.teacher.checkpoint == str(toy / f'out/{TEACHER}/epoch_1.pth')


def the_page_has_what_the_runs_gave(study, toy):
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
        patch.setattr('projects.studies.study.train', None)
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


CHECKS = (
    every_row_runs_the_planned_steps,
    table_2_changes_backbone_and_decoder,
    table_4_changes_the_input_size,
    table_5_changes_the_attention,
    table_7_keeps_the_photographs_of_a_batch,
    table_8_has_a_teacher_and_its_token,
    the_page_has_what_the_runs_gave,
)


@pytest.mark.slow
def test_the_whole_study_at_toy_size(study, command, subtests):
    toy = command()  # two minutes: one test, so that two test processes do not run it twice
    for check in CHECKS:
        with subtests.test(check.__name__):
            check(study, toy)
    finished_runs_are_skipped_and_others_refused(command, toy)


@pytest.mark.slow
@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(data='/missing'), '--data /missing: no such folder'),
        (dict(table=3), '--table: invalid choice: 3'),
        (dict(jobs='0'), '--jobs 0: expected at least 1'),
        (dict(seeds='-1'), '--seeds -1: expected at least 1'),
        (dict(pretrained='/missing.pth'), '--pretrained /missing.pth: no such file'),
    ],
)
def test_bad_options(command, capsys, changes, message):
    with pytest.raises(SystemExit):
        command(**changes)
    assert message in ' '.join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_bad_photographs(command, write_noise, tmp_path, capsys):
    write_noise(tmp_path / 'coco', 2, joints=17)
    with pytest.raises(SystemExit):
        command(data=tmp_path / 'coco')
    assert 'train.json has 17 joints per person; expected the 14 of CrowdPose' in ' '.join(
        capsys.readouterr().err.split()
    )
    (tmp_path / 'coco/train.json').write_text('[]')
    with pytest.raises(SystemExit):
        command(data=tmp_path / 'coco')
    assert "train.json is not in COCO's form" in ' '.join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_emulated_bfloat16_is_refused(study, command, monkeypatch, capsys):
    monkeypatch.setattr(study, 'has_bfloat16', lambda device: False)
    with pytest.raises(SystemExit):
        command(dtype=None)
    assert '--dtype float32 trains in float32' in ' '.join(capsys.readouterr().err.split())


@pytest.mark.slow
def test_the_page_states_the_plan(study, root, tmp_path):
    paths = dict(data=tmp_path, out=tmp_path, results=tmp_path, photographs=tmp_path, pretrained=None)
    options = dict(seeds=3, steps=None, dtype='bfloat16', labels=8054, few=800, held_out=1000)
    planned = study.Study(SimpleNamespace(**paths, **options)).planned()
    page = (root / 'projects/paper/README.md').read_text()
    assert '\n'.join(report.plan_lines(planned)) in page
    assert 4 < sum(hours for _, hours in planned.values()) < 5
