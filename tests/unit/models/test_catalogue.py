from pathlib import Path
from urllib.parse import urlsplit

import mmpose
import pytest
import yaml
from mmengine import Config

from vitpose.models.catalogue import find_model, read_catalogue
from vitpose.predict.models.file_info import MAX_TEXT
from vitpose.predict.models.torch_model import read_config, read_test_set
from vitpose.shipped import shipped
from vitpose_mm.estimators.plain_model import split_config
from vitpose_mm.networks.vit_sizes import parse_size

MODELS = {model.name: model for model in read_catalogue()}


def test_every_file_is_listed_once():
    assert len(MODELS) == len(read_catalogue()) == len({model.url for model in MODELS.values()}) == 58
    assert all(urlsplit(model.url).scheme == 'https' for model in MODELS.values())


def test_the_terms_of_the_weights_and_of_their_data_fit_into_the_metadata_of_a_file():
    for model in MODELS.values():
        assert model.license.startswith('Apache-2.0; trained on ImageNet (non-commercial), COCO (CC-BY-4.0)')
        assert len(model.license) <= MAX_TEXT
    assert MODELS['mmpose/vitpose-base_humanart'].license.endswith(', Human-Art (non-commercial)')
    assert MODELS['easy/vitpose-base_coco25'].license.endswith(', CMU feet (CC-BY-4.0)')
    assert 'COCO-WholeBody (non-commercial)' in MODELS['transformers/vitpose-plus-base'].license


@pytest.mark.parametrize('model', MODELS.values(), ids=MODELS)
def test_the_config_has_the_model_of_the_file(model):
    config = Config.fromfile(shipped(model.config))
    size, head = parse_size(config.model.backbone.arch), config.model.head
    heads = head.get('heads', {'': head}).values()
    assert size == parse_size(model.size) and {head.in_channels for head in heads} == {size.embed_dim}
    assert tuple(head.out_channels for head in heads)[: len(model.keypoints)] == model.keypoints
    assert ('simple' in model.name) == all(head.type == 'SimpleHead' for head in heads)


def test_scores_are_those_of_the_publishers():
    """MMPose's from its own metafiles; the authors' large and small ones from their tables."""
    theirs = {}
    for file in (Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint').rglob('*vitpose*.yml'):
        theirs |= {model.get('Weights'): model['Results'] for model in yaml.safe_load(file.read_text())['Models']}
    ours = [model for name, model in MODELS.items() if name.startswith('mmpose/')]
    for model in ours:
        results = [result for result in theirs[model.url] if result['Dataset'] == model.dataset]
        assert [result['Metrics']['AP'] for result in results] == [model.score]
    assert len(ours) == 12
    assert MODELS['authors/vitpose-huge_coco'].score == 0.791 and MODELS['authors/vitpose-plus-small'].score == 0.758


def test_scores_of_single_decoders_are_those_of_the_authors_for_all_of_them(root):
    theirs = {}
    for model in yaml.safe_load((root / 'configs/multi_dataset/metafile.yml').read_text())['Models']:
        for result in model['Results']:
            theirs[model['Config'], result['Dataset']] = result['Metrics'].get('Paper AP')
    ours = [
        model for model in MODELS.values() if model.name.startswith('easy/') and model.short.partition('-')[2] != 'feet'
    ]
    assert all(MODELS[f'easy/vitpose-{size}_coco25'].score is None for size in ('small', 'base', 'large', 'huge'))
    for model in ours:
        assert (
            theirs[f'configs/multi_dataset/vitpose-plus-{model.size}_six-sets-256x192.py', model.dataset] == model.score
        )
    assert len(ours) == 8


@pytest.mark.parametrize('name', ['easy/vitpose-small_wholebody', 'easy/vitpose-small_ap10k'])
def test_a_decoder_of_several_is_decoded_as_there(name):
    model = MODELS[name]
    several, _ = read_config('configs/multi_dataset/vitpose-plus-small_six-sets-256x192.py')
    dataset = dict(wholebody='coco_wholebody', ap10k='ap10k')[name.partition('_')[2]]
    single, _ = read_config(model.config, model.cfg_options(None))
    expected = split_config(several, dataset)
    assert single.model.head.decoder == expected.model.head.decoder
    assert single.model.test_cfg.shift_heatmap and expected.model.test_cfg.shift_heatmap
    (rule, metainfo), (expected_rule, _) = (read_test_set(cfg, name) for cfg in (single, expected))
    assert rule == expected_rule and metainfo['license'] == model.license
    assert metainfo['objects'] == ('person' if 'wholebody' in name else None)


def test_the_authors_models_for_two_datasets_are_decoded_as_they_tested_them():
    """Their configs ViTPose_*_aic_256x192.py and ViTPose_*_crowdpose_256x192.py have no UDP; the other ones have."""
    codecs = {(model.dataset, model.codec) for model in MODELS.values() if model.name.startswith('authors/')}
    assert {dataset for dataset, codec in codecs if codec} == {'AI Challenger', 'CrowdPose'}
    assert {dataset for dataset, codec in codecs if not codec} == {'COCO', 'MPII'}


def test_names():
    models = list(MODELS.values())
    for name, expected, dataset in (
        ('base', 'mmpose/vitpose-base_coco', ''),
        ('huge-simple', 'mmpose/vitpose-huge-simple_coco', ''),
        ('small-humanart', 'mmpose/vitpose-small_humanart', ''),
        ('base-wholebody', 'easy/vitpose-base_wholebody', ''),
        ('base-feet', 'easy/vitpose-base_coco25', ''),
        ('plus-base', 'transformers/vitpose-plus-base', ''),  # one decoder, but without a browser
        ('plus-base:coco', 'transformers/vitpose-plus-base', 'coco'),
        ('plus-base:ap10k', 'authors/vitpose-plus-base', 'ap10k'),
        ('authors/vitpose-plus-base:mpii', 'authors/vitpose-plus-base', 'mpii'),
        ('vitpose-large_coco-aic-mpii', 'authors/vitpose-large_coco-aic-mpii', ''),
        ('usyd-community/vitpose-base', 'transformers/vitpose-base', ''),
    ):
        model, chosen = find_model(name, models)
        assert (model.name, chosen) == (expected, dataset), name
    for name, message in (
        ('vitpose-base_coco', r'vitpose-base_coco: several models .*: authors/vitpose-base_coco, mmpose/'),
        ('plus-smal', r'plus-smal: no model has this name: plus-small'),
        ('tinny', r'tinny: no model has this name: tiny'),
        ('hrnet', 'hrnet: no model has this name: see `vitpose models`'),
    ):
        with pytest.raises(ValueError, match=message):
            find_model(name, models, ['tiny'])


def test_short_names_are_unique_but_for_vitpose_plus():
    names = [model.short for model in MODELS.values() if model.short and 'plus' not in model.short]
    assert len(names) == len(set(names)) == 24
    assert all(MODELS[f'mmpose/vitpose-{size}_coco'].short == size for size in ('small', 'base', 'large', 'huge'))
