"""The published checkpoints of configs/published.yml."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..shipped import shipped

CATALOGUE = 'configs/published.yml'


@dataclass(frozen=True)
class PublishedModel:
    """A checkpoint that others have published."""

    name: str  # publisher/model
    url: str  # of the file; the authors' files require a browser to download
    size: str  # 'small', 'base', 'large' or 'huge'
    keypoints: tuple[int, ...]  # K of each decoder in the file
    dataset: str  # on which the score was measured
    metric: str  # 'AP' or 'PCKh'
    score: float  # as published, 0 to 1
    license: str  # SPDX name
    config: str  # the shipped config that loads it


def read_catalogue() -> list[PublishedModel]:
    """Read the list, which model-index.yml imports for MIM."""
    import yaml

    models = []
    for model in yaml.safe_load(shipped(CATALOGUE).read_text(encoding='utf-8'))['Models']:
        about, (result,) = model['Metadata'], model['Results']
        ((metric, score),) = result['Metrics'].items()
        file = (model['Name'], model['Weights'], about['Size'], tuple(map(int, about['Keypoints'].split())))
        models.append(PublishedModel(*file, result['Dataset'], metric, score, about['License'], model['Config']))
    return models


def find_model(name: str, models: Sequence[PublishedModel]) -> PublishedModel:
    """Return the model with a name, without its publisher if the rest is unique; ValueError if it is not one model."""
    exact = [model for model in models if model.name == name]
    matches = exact or [model for model in models if model.name.partition('/')[2] == name]
    if len(matches) != 1:
        near = matches or [model for model in models if name in model.name]
        names = ', '.join(model.name for model in near) or 'see `vitpose models`'
        raise ValueError(f'{name}: {"several models have" if matches else "no model has"} this name: {names}')
    return matches[0]
