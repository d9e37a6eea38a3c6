"""The list of published checkpoints: its configs exist and have the model of the file; names are unique."""

from urllib.parse import urlsplit

import pytest
from mmengine import Config
from modelindex.load_model_index import load

from vitpose.published.catalogue import find_model, read_catalogue
from vitpose.shipped import shipped
from vitpose_mm.backbones.vit_sizes import parse_size

MODELS = {model.name: model for model in read_catalogue()}


def test_every_file_is_listed_once():
    assert len(MODELS) == len(read_catalogue()) == 46
    assert len({model.url for model in MODELS.values()}) == 46
    assert all(urlsplit(model.url).scheme == 'https' for model in MODELS.values())
    assert {model.license for model in MODELS.values()} == {'Apache-2.0'}


@pytest.mark.parametrize('model', MODELS.values(), ids=MODELS)
def test_the_config_has_the_model_of_the_file(model):
    config = Config.fromfile(shipped(model.config))
    size, head = parse_size(config.model.backbone.arch), config.model.head
    assert size == parse_size(model.size)
    heads = head.get('heads', {'': head})
    first = {name: each.out_channels for name, each in heads.items()}
    assert tuple(first.values())[: len(model.keypoints)] == model.keypoints
    assert {each.in_channels for each in heads.values()} == {size.embed_dim}
    assert ('simple' in model.name) == all(each.type == 'SimpleHead' for each in heads.values())


def test_scores_are_those_of_the_publishers():
    """MMPose's from its own metafiles; the authors' large and small ones from their tables."""
    theirs = {model.weights: model for model in load(str(mmpose_index())).models if model.weights}
    ours = [model for name, model in MODELS.items() if name.startswith('mmpose/')]
    for model in ours:
        scores = [r.metrics['AP'] for r in theirs[model.url].results if r.dataset == model.dataset]
        assert scores == [model.score]
    assert len(ours) == 12
    assert MODELS['authors/vitpose-huge_coco'].score == 0.791 and MODELS['authors/vitpose-plus-small'].score == 0.758


def mmpose_index():
    from pathlib import Path

    import mmpose

    return Path(mmpose.__file__).parent / '.mim/model-index.yml'


def test_names_may_leave_out_the_publisher():
    models = list(MODELS.values())
    assert find_model('vitpose-large_coco-aic-mpii', models).name == 'authors/vitpose-large_coco-aic-mpii'
    with pytest.raises(ValueError, match=r'vitpose-base_coco: several models .*: authors/vitpose-base_coco, mmpose/'):
        find_model('vitpose-base_coco', models)
    with pytest.raises(ValueError, match=r'plus-sm: no model has this name: authors/vitpose-plus-small, transformers'):
        find_model('plus-sm', models)
    with pytest.raises(ValueError, match='hrnet: no model has this name: see `vitpose models`'):
        find_model('hrnet', models)
