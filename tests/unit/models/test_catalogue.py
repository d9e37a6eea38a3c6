from pathlib import Path
from urllib.parse import urlsplit

import mmpose
import pytest
import yaml
from mmengine import Config

from vitpose.models.catalogue import find_model, read_catalogue
from vitpose.shipped import shipped
from vitpose_mm.networks.vit_sizes import parse_size

MODELS = {model.name: model for model in read_catalogue()}


def test_every_file_is_listed_once():
    assert len(MODELS) == len(read_catalogue()) == len({model.url for model in MODELS.values()}) == 46
    assert all(urlsplit(model.url).scheme == 'https' for model in MODELS.values())
    assert {model.license for model in MODELS.values()} == {'Apache-2.0'}


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


def test_names_may_leave_out_the_publisher():
    models = list(MODELS.values())
    assert find_model('vitpose-large_coco-aic-mpii', models).name == 'authors/vitpose-large_coco-aic-mpii'
    for name, message in (
        ('vitpose-base_coco', r'vitpose-base_coco: several models .*: authors/vitpose-base_coco, mmpose/'),
        ('plus-sm', r'plus-sm: no model has this name: authors/vitpose-plus-small, transformers'),
        ('hrnet', 'hrnet: no model has this name: see `vitpose models`'),
    ):
        with pytest.raises(ValueError, match=message):
            find_model(name, models)
