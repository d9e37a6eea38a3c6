"""A checkpoint keeps every bit through any two formats."""

import itertools
import json
from functools import partial

import pytest
import torch
from mmpose.registry import MODELS

from tests.unit.checkpoints.tiny_vits import head, vit
from vitpose.cli.main import main
from vitpose_mm.checkpoints import conversion
from vitpose_mm.checkpoints.experts_and_decoders import AUTHORS_ORDER
from vitpose_mm.checkpoints.model_parts import split_parts
from vitpose_mm.checkpoints.safe_load import add_metadata, load_checkpoint, load_weights

SUFFIX = dict(ours='.pth', mmpose='.pth', official='.pth', transformers='', safetensors='.safetensors')
KEYPOINTS = dict(zip(AUTHORS_ORDER, (17, 14, 16, 17, 17, 133), strict=True))
ORDER = ('mpii', 'coco', 'aic', 'apt36k', 'coco_wholebody', 'ap10k')  # not the authors'


def build(kind):
    """A tiny model with random values everywhere."""
    backbone = vit(img_size=(80, 48))
    if kind in ('simple', 'classic'):
        config = dict(type='TopdownPoseEstimator', backbone=backbone, head=head(f'{kind.title()}Head'))
    else:
        names = ORDER if kind == 'plus' else ORDER[:1]
        heads = {name: head('SimpleHead', keypoints=KEYPOINTS[name]) for name in names}
        config = dict(
            type='MultiDatasetPoseEstimator',
            backbone=dict(backbone, experts=dict(names=list(ORDER), expert_dim=8)),
            head=dict(type='MultiDatasetHead', heads=heads, default_dataset=names[0]),
        )
    model = MODELS.build(config)
    torch.manual_seed(0)
    for key, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.randn_like(value).abs() if key.endswith('var') else torch.randn_like(value))
    model.state_dict()['backbone.pos_embed'][0, 0, 0] = -0.0
    return model.eval()


def convert(file, folder, name, form, *more):
    out = folder / f'{name}{SUFFIX[form]}'
    heads = ('--num-heads', '2') if form == 'transformers' else ()
    assert main(['convert', str(file), str(out), '--to', form, *heads, *more]) == 0
    return out


def bits(weights):
    return {key: (w.dtype, tuple(w.shape), w.contiguous().numpy().tobytes()) for key, w in weights.items()}


@pytest.fixture(scope='module', params=['simple', 'classic', 'plus', 'plus-one'])
def files(request, tmp_path_factory):
    """A kind of model, and a file of each format that can hold it."""
    folder, kind = tmp_path_factory.mktemp(request.param), request.param
    torch.save(dict(state_dict=build(kind).state_dict(), meta={}), folder / 'start.pth')
    lacking = {'plus': ('mmpose', 'transformers'), 'plus-one': ('mmpose',)}.get(kind, ())
    forms = [form for form in SUFFIX if form not in lacking]
    return kind, {form: convert(folder / 'start.pth', folder, f'from-{form}', form) for form in forms}


@pytest.mark.slow
def test_every_pair_of_formats_keeps_every_bit(files, tmp_path):
    kind, files = files
    expected = bits(build(kind).state_dict())
    for first, second in itertools.product(files, repeat=2):
        if kind == 'classic' and 'transformers' not in (first, second):
            continue  # its files are large, and only transformers renames this decoder
        pair = f'{first}-{second}'
        there = convert(files[first], tmp_path, f'{pair}-there', second)
        assert bits(load_weights(there)) == bits(load_weights(files[second])), pair
        back = convert(there, tmp_path, f'{pair}-back', first)
        assert bits(load_weights(back)) == bits(load_weights(files[first])), pair
        assert bits(load_weights(convert(there, tmp_path, f'{pair}-ours', 'ours'))) == expected, pair


def parts_of(kind, **meta):
    weights = build(kind).state_dict()
    if meta:
        weights._metadata['backbone'].pop('experts')
        add_metadata(weights, meta)
    return split_parts(weights, meta)


SIMPLE, PLUS = parts_of('simple'), parts_of('plus')


def changed(key, *shape):
    """The parts of a simple model with another weight of its ViT."""
    return SIMPLE._replace(vit={**SIMPLE.vit, key: torch.zeros(shape)})


OFFICIAL, MMPOSE = partial(conversion.to_official, log=print), partial(conversion.to_mmpose, log=print)
TRANSFORMERS = partial(conversion.to_transformers, num_heads=2)
PATCHES_OF_14, REL_POS = changed('patch_embed.proj.weight', 24, 3, 14, 14), changed('layers.0.attn.rel_pos.h', 3, 12)
ONE_BLOCK = {'deconv_layers.0.weight': torch.zeros(24, 256, 4, 4), 'final_layer.weight': torch.zeros(2, 256, 1, 1)}


@pytest.mark.parametrize(
    ('write', 'parts', 'message'),
    [
        (MMPOSE, PLUS, 'no experts and one decoder per model: extract the plain model'),
        (TRANSFORMERS, PLUS, 'choose one of mpii, coco, .* with --dataset'),
        (OFFICIAL, parts_of('plus', experts=list('abcdef')), '6 experts of a, b, c'),
        (TRANSFORMERS, SIMPLE._replace(grid=None), 'table of 15 entries is not known: give it with --img-size'),
        (partial(TRANSFORMERS, img_size=(48, 80)), SIMPLE, '--img-size 48 80: expected 80 48, as the file records'),
        (
            partial(TRANSFORMERS, img_size=(48, 90)),
            SIMPLE._replace(recorded=False),
            '--img-size 48 90: expected 48 80$',
        ),
        (partial(TRANSFORMERS, num_heads=5), SIMPLE, '--num-heads 5: expected a divisor of the width 24'),
        (TRANSFORMERS, SIMPLE._replace(heads={}), 'has no decoder'),
        (TRANSFORMERS, SIMPLE._replace(heads={'': ONE_BLOCK}), "deconvolutions of 256 channels: transformers' are two"),
        (TRANSFORMERS, PATCHES_OF_14, 'patches of 14 pixels without padding'),
        (OFFICIAL, PATCHES_OF_14, 'patches of 14 pixels .* write ours instead'),
        (OFFICIAL, REL_POS, 'layers.0.attn.rel_pos.h has no name in the other format'),
        (MMPOSE, REL_POS, 'layers.0.attn.rel_pos.h has no name in the other format'),
    ],
)
def test_what_a_format_cannot_hold_is_refused(write, parts, message):
    with pytest.raises(ValueError, match=message):
        write(parts)


def test_the_slot_of_the_authors_is_kept_or_folded_and_reported(tmp_path, capsys):
    named = OFFICIAL(SIMPLE)
    named['backbone.pos_embed'][:, 0] = 1
    torch.save(dict(state_dict=named, meta=dict(grid=[5, 3])), tmp_path / 'a.pth')
    again = convert(tmp_path / 'a.pth', tmp_path, 'b', 'official')
    assert bits(load_weights(again)) == bits(named)
    capsys.readouterr()
    ours = convert(tmp_path / 'a.pth', tmp_path, 'c', 'ours')
    assert 'its extra slot is added to every position' in capsys.readouterr().out
    assert load_checkpoint(ours).meta['changes'] == ['position table: its extra slot is added to every position']
    table = named['backbone.pos_embed']
    assert torch.equal(load_weights(ours)['backbone.pos_embed'], table[:, 1:] + table[:, :1])


def test_experts_left_inside_are_dropped_only_on_request(tmp_path, capsys):
    """A file of the authors' split script: FFN and expert are joined, and all experts are still there."""
    named = OFFICIAL(PLUS)
    for block in range(2):
        for part in ('weight', 'bias'):
            key = f'backbone.blocks.{block}.mlp.fc2.{part}'
            named[key] = torch.cat([named[key], named[f'backbone.blocks.{block}.mlp.experts.0.{part}']])
    torch.save(dict(state_dict=named), tmp_path / 'coco.pth')
    args = ['convert', str(tmp_path / 'coco.pth'), str(tmp_path / 'out.pth'), '--to', 'ours']
    assert main(args) == 2
    assert 'drop them with `vitpose convert FILE OUT --to ours --drop-unused`' in capsys.readouterr().err
    assert main([*args, '--drop-unused']) == 0
    assert '24 weights of experts and 5 decoders of other datasets are dropped' in capsys.readouterr().out
    weights = load_weights(tmp_path / 'out.pth')
    assert set(weights) == set(build('simple').state_dict())
    assert torch.equal(weights['backbone.layers.1.mlp.fc2.weight'], named['backbone.blocks.1.mlp.fc2.weight'])


def test_what_is_beside_the_weights(tmp_path):
    conversion.write_torch(tmp_path / 'ours.pth', conversion.to_ours(SIMPLE, print), dict(grid=[5, 3], experts=[]))
    assert torch.load(tmp_path / 'ours.pth')['state_dict']._metadata == {'backbone': {'grid': (5, 3)}}
    conversion.write_folder(tmp_path / 'theirs', *TRANSFORMERS(SIMPLE), {})
    processor = json.loads((tmp_path / 'theirs/preprocessor_config.json').read_text())
    assert processor['image_processor_type'] == 'VitPoseImageProcessor'
    assert processor['size'] == {'height': 80, 'width': 48} and processor['do_affine_transform'] is True
    assert processor['normalize_factor'] == 200 and processor['rescale_factor'] == 1 / 255


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(json, 'dumps', lambda *args, **kwargs: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        conversion.write_folder(tmp_path / 'out', {'x': torch.ones(1)}, {}, {})
    assert list(tmp_path.iterdir()) == []
