"""The published checkpoints of configs/published.yml."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..shipped import shipped

FILE = 'configs/published.yml'


@dataclass(frozen=True)
class Published:
    """A checkpoint that others have published.

    Attributes:
        name: publisher and model.
        url: of the file; authors' files are behind a page for browsers.
        size: 'small', 'base', 'large' or 'huge'.
        keypoints: K of each decoder in the file.
        dataset: on which the score was measured.
        metric: 'AP' or 'PCKh'.
        score: as published, 0 to 1.
        license: SPDX name.
        config: the shipped config that loads it.
    """

    name: str
    url: str
    size: str
    keypoints: tuple[int, ...]
    dataset: str
    metric: str
    score: float
    license: str
    config: str


def published() -> list[Published]:
    """Read the list, which model-index.yml imports for MIM."""
    import yaml

    models = yaml.safe_load(shipped(FILE).read_text(encoding='utf-8'))['Models']
    return [_read(model) for model in models]


def find(name: str, models: Sequence[Published]) -> Published:
    """Return the model of a name; the publisher may be left out if the rest is unique.

    Raises:
        ValueError: there is none, or several.
    """
    exact = [model for model in models if model.name == name]
    found = exact or [model for model in models if model.name.partition('/')[2] == name]
    if len(found) != 1:
        near = found or [model for model in models if name in model.name]
        names = ', '.join(model.name for model in near) or 'see `vitpose models`'
        raise ValueError(f'{name}: {"several models have" if found else "no model has"} this name: {names}')
    return found[0]


def _read(model: dict) -> Published:
    about, (result,) = model['Metadata'], model['Results']
    ((metric, score),) = result['Metrics'].items()
    return Published(
        name=model['Name'],
        url=model['Weights'],
        size=about['Size'],
        keypoints=tuple(map(int, about['Keypoints'].split())),
        dataset=result['Dataset'],
        metric=metric,
        score=score,
        license=about['License'],
        config=model['Config'],
    )
