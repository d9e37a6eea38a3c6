"""Each row's config has the row's difference and nothing else; the claims are the paper's; the plan is on the page."""

import json
from types import SimpleNamespace

import pytest
from mmengine.registry import init_default_scope

from projects.paper import report, study, tables
from projects.studies.study import leaves

LABELS, UNLABELED = 5533, 9150  # people in the three sources
SIZE = {'model.backbone.arch.depth', 'model.backbone.init_blocks'}
SCRATCH = {'model.backbone.init_cfg.type', 'model.backbone.init_cfg.checkpoint', 'optim_wrapper.optimizer.lr'}
SCRATCH |= {'optim_wrapper.paramwise_cfg.layer_decay_rate'}
SIMPLE = {'model.head.type', 'model.head.deconv_channels'}
OUTPUT = {f'model.{key}' for key in ('type', 'distill_loss.type', 'distill_loss.loss_weight')}
OUTPUT |= {f'model.teacher.{key}' for key in ('config', 'checkpoint', 'precision')}
TOKEN = {f'model.backbone.knowledge_token.{key}' for key in ('init', 'frozen', 'width')}


@pytest.fixture(scope='module')
def args(tmp_path_factory):
    folder = tmp_path_factory.mktemp('paper')
    paths = dict.fromkeys(('out', 'results', 'photographs', 'weights'), folder)
    return SimpleNamespace(**paths, labels=LABELS, unlabeled=UNLABELED, seeds=None, steps=None, dtype='bfloat16')


@pytest.fixture(scope='module')
def planned(args):
    init_default_scope('mmpose')
    return study.Study(args)


@pytest.fixture(scope='module')
def config(planned):
    return lambda table, name, seed=0: planned.configs[study.Run(table, name, seed)]


@pytest.fixture(scope='module')
def difference(config):
    """A function: the keys in which two rows of a table differ."""

    def different(table, *names):
        one, other = (dict(leaves(json.loads(json.dumps(config(table, name).to_dict())))) for name in names)
        return {key for key in {*one, *other} if one.get(key, key) != other.get(key, key)}

    return different


def test_all_rows_share_photographs_weights_and_test(planned, args):
    rows = [run for run in planned.runs if run.name in study.TABLES[run.table].rows]
    for run in rows:
        config, table = planned.configs[run], study.TABLES[run.table]
        assert config.test_dataloader.dataset.ann_file == 'test.json' and config.test_at_end
        assert config.val_dataloader.dataset.ann_file == 'held_out.json'
        assert config.randomness.seed == run.seed and not config.train_dataloader.batch_size % table.batch
        longer = table.rows[run.name].longer
        assert planned.steps(run) == table.epochs * -(-LABELS // table.batch) * longer
        backbone = config.model.backbone
        if backbone.type == 'ViT':
            assert (backbone.arch.embed_dim, backbone.arch.num_heads) == (384, 6)
            assert backbone.arch.depth == 12 or backbone.init_blocks == 'first'
    seeds = {table: {run.seed for run in rows if run.table == table} for table in tables.TABLES}
    assert {table: len(found) for table, found in seeds.items()} == {2: 3, 3: 3, 4: 3, 5: 3, 6: 3, 7: 3, 8: 5}


def test_table_2(config, difference):
    assert difference(2, '4 blocks, classic', '8 blocks, classic') == {'model.backbone.arch.depth'}
    assert difference(2, '8 blocks, classic', '12 blocks, classic') == {'model.backbone.arch.depth'}
    for backbone in (*tables.SIZES, tables.CNN):
        assert difference(2, f'{backbone}, classic', f'{backbone}, simple') == SIMPLE
    cnn, vit = (config(2, f'{name}, classic') for name in (tables.CNN, '12 blocks'))
    assert 'init_cfg' not in cnn.model.backbone and cnn.param_scheduler == vit.param_scheduler
    assert 0.8 < study.costs.macs(cnn) / study.costs.macs(vit) < 1.25
    long = f'{tables.CNN}, classic, four times the steps'
    assert config(2, long).train_cfg.max_epochs == 4 * cnn.train_cfg.max_epochs


def test_table_3(config, difference, args):
    assert difference(3, 'DINOv2', 'scratch') == SCRATCH
    start = {'model.backbone.init_cfg.checkpoint', 'model.backbone.init_cfg.prefix'}
    for row, pretraining in (('MAE on crops', tables.FROM_RANDOM), ('DINOv2, then MAE on crops', tables.FROM_DINOV2)):
        assert difference(3, 'DINOv2', row) == start
        assert config(3, row).model.backbone.init_cfg.checkpoint == str(args.files[pretraining])
    random, dinov2 = (config(3, name) for name in (tables.FROM_RANDOM, tables.FROM_DINOV2))
    assert 'init_cfg' not in random.model.backbone
    assert dinov2.model.backbone.init_cfg == config(3, 'DINOv2').model.backbone.init_cfg
    assert random.model.type == 'MaskedAutoencoder'
    assert random.model.backbone.arch == config(3, 'DINOv2').model.backbone.arch
    assert [source.ann_file for source in random.train_dataloader.dataset.sources] == ['unlabeled.json']


def test_table_4(config):
    for name in study.TABLES[4].rows:
        height, width = map(int, name.split('x'))
        found = config(4, name)
        codec = found.model.head.decoder
        assert found.model.backbone.img_size == (height, width) and found.model.backbone.arch.depth == 8
        assert (codec.input_size, codec.heatmap_size) == ((width, height), (width // 4, height // 4))
        steps = [step for part in ('train', 'val', 'test') for step in found[f'{part}_dataloader'].dataset.pipeline]
        assert [step.input_size for step in steps if 'input_size' in step] == [(width, height)] * 3
        assert [step.encoder for step in steps if 'encoder' in step] == [codec]


def test_table_5(config, difference, args):
    layouts = {'window': {}, 'window + shift': dict(shift=True), 'window + pool': dict(pool=True)}
    layouts |= {'window + shift + pool': dict(shift=True, pool=True)}
    layouts |= {'window + full every quarter': dict(full_every_quarter=True)}
    layouts |= {'larger window + shift + pool': dict(window_size=(12, 9), shift=True, pool=True)}
    rows = {name: config(5, name).model.backbone for name in study.TABLES[5].rows}
    for name, layout in layouts.items():
        assert rows[name].attention.to_dict() == dict(window_size=(6, 6)) | layout
        assert all(key.startswith('model.backbone.attention') for key in difference(5, 'full', name))
    trained = config(5, tables.FULL)
    assert trained.model.backbone.attention == 'full' and trained.load_from is None
    for name, backbone in rows.items():
        grid = [side // backbone.stride for side in backbone.img_size]
        assert backbone.stride == 8 and grid == [24, 18] and 'init_cfg' not in backbone
        assert config(5, name).load_from == str(args.files[tables.FULL])
    assert 24 * 18 / (6 * 6) == 12 and 24 * 18 / (12 * 9) == 4


def test_table_6(config, difference):
    parts = {'MHSA frozen': 'attention', 'FFN frozen': 'ffn', 'first half of the blocks frozen': 6}
    for name, part in parts.items():
        assert difference(6, 'everything', name) == {'model.backbone.freeze'}
        backbone = config(6, name).model.backbone
        assert backbone['freeze'] == part and backbone.arch.depth == 12


def test_table_7_keeps_the_people_of_lsp_in_a_batch(config):
    alone = config(7, 'LSP').train_dataloader
    assert alone.batch_size == 16 and alone.dataset.ann_file == 'lsp.json'
    added = {'+ LSPET': ['lspet'], '+ COCO, everyday': ['lspet', 'coco', 'everyday']}
    added['+ mocap, rendered'] = added['experts'] = [*added['+ COCO, everyday'], 'mocap', 'rendered']
    for name, members in added.items():
        found = config(7, name)
        loader, head = found.train_dataloader, found.model.head
        photographs, *others = loader.dataset.datasets
        assert photographs == alone.dataset and list(head.heads) == ['lsp', *members]
        assert loader.batch_size == 16 * (len(members) + 1) and set(loader.sampler.source_ratio) == {1}
        assert [other.ann_file for other in others] == [f'{member}_member.json' for member in members]
    assert {name: each.out_channels for name, each in head.heads.items()} == dict(
        lsp=14, lspet=14, coco=17, everyday=17, mocap=16, rendered=17
    )
    assert found.model.backbone.experts.names == list(head.heads) and found.model.type == 'MultiDatasetPoseEstimator'


def test_table_8(config, difference, args):
    for part in tables.PHOTOGRAPHS:
        changed = {name: difference(8, f'alone, {part}', f'{name}, {part}') for name in tables.TRANSFER}
        assert changed == {'alone': set(), '+ token': TOKEN, '+ output': OUTPUT, '+ both': TOKEN | OUTPUT}
    assert difference(8, 'alone, all photographs', 'alone, 300 photographs') == {'train_dataloader.dataset.ann_file'}
    assert config(8, 'alone, 300 photographs', 4).train_dataloader.dataset.ann_file == 'few_4.json'
    both, token = config(8, '+ both, all photographs'), config(8, 'teacher with token')
    assert both.model.backbone.arch.depth == 4 and config(8, 'teacher').model.backbone.arch.depth == 12
    assert both.model.teacher.checkpoint == token.load_from == str(args.files['teacher'])
    assert token.model.backbone['freeze'] == 'all_but_token' and token.model.head['freeze']


def test_claims_name_rows_and_the_papers_figures():
    claims = [(table, claim) for table in tables.TABLES.values() for claim in table.claims]
    assert len(claims) == 26
    for table, claim in claims:
        papers = [table.rows[row].paper for row in claim.rows]
        assert all(table.rows[row].longer == 1 for row in claim.rows)
        assert (claim.paper is None) == (None in papers)
        assert claim.paper is None or claim.paper == pytest.approx(
            sum(factor * paper for factor, paper in zip(claim.rows.values(), papers, strict=True))
        )


@pytest.mark.slow
def test_the_page_states_the_plan(planned, root):
    plan = planned.planned()
    assert '\n'.join(report.plan_lines(plan)) in (root / 'projects/paper/README.md').read_text()
    assert all(hours <= 5 for _, hours in plan.values())
