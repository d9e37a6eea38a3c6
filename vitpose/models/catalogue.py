"""The published checkpoints of configs/published.yml."""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..shipped import shipped

CATALOGUE = 'configs/published.yml'
# what the datasets' publishers say about their annotations; images belong to their photographers
DATA_TERMS = {
    'ImageNet': 'non-commercial',  # its terms of access: "only for non-commercial research and educational purposes"
    'COCO': 'CC-BY-4.0',  # cocodataset.org, Terms of Use
    'AI Challenger': 'not stated',  # neither AIChallenger/AI_Challenger_2017 nor challenger.ai's page of the task
    'MPII': 'non-commercial',  # human-pose.mpi-inf.mpg.de: "for research purposes. Commercial use is not allowed"
    'CrowdPose': 'not stated',  # Jeff-sjtu/CrowdPose; its images are of COCO, MPII and AI Challenger
    'Human-Art': 'non-commercial',  # IDEA-Research/HumanArt: "to use Human-Art for non-commercial purposes"
    'AP-10K': 'CC-BY-4.0',  # AlexTheBad/AP-10K, License
    'APT-36K': 'MIT',  # pandorgan/APT-36K: "This project is under MIT licence"
    'COCO-WholeBody': 'non-commercial',  # jin-s13/COCO-WholeBody: "ONLY for research and non-commercial use"
    'CMU feet': 'CC-BY-4.0',  # CMU-Perceptual-Computing-Lab/foot_keypoint_dataset
}
ANIMALS = ('AP-10K', 'APT-36K', 'ap10k', 'apt36k')
# for the classic codec, in a config that was written for UDP
MSRA = {'model.head.decoder.type': 'BatchMSRAHeatmap', 'model.test_cfg.shift_heatmap': True}
MSRA |= {'test_dataloader.dataset.pipeline.2.use_udp': False}


@dataclass(frozen=True)
class NamedModel:
    """The files behind a name."""

    file: Path  # an exported file, or a checkpoint
    config: Path | None = None
    dataset: str | None = None  # of a multi-dataset model
    cfg_options: Mapping[str, Any] = field(default_factory=dict)  # what to override in the config for the file


@dataclass(frozen=True)
class PublishedModel:
    """A checkpoint that others have published."""

    name: str  # publisher/model
    short: str  # the name to type, such as 'base'; '' if there is none
    url: str  # of the file; the authors' files require a browser to download
    size: str  # 'small', 'base', 'large' or 'huge'
    keypoints: tuple[int, ...]  # K of each decoder in the file
    dataset: str  # on which the score was measured
    metric: str  # 'AP' or 'PCKh'
    score: float | None  # as published, 0 to 1; None if it is not published
    license: str  # of the weights and of the data they saw
    config: str  # the shipped config that loads it
    codec: str  # 'MSRA', or '' for the config's

    def cfg_options(self, dataset: str | None) -> dict[str, Any]:
        """Return what to override in the config to predict, for the chosen dataset of a multi-dataset model."""
        objects = {} if (dataset or self.dataset) in ANIMALS else {'objects': 'person'}
        return {'license': self.license, **objects, **(MSRA if self.codec == 'MSRA' else {})}


def read_catalogue() -> list[PublishedModel]:
    """Read the list, which model-index.yml imports for MIM."""
    import yaml

    models = []
    for model in yaml.safe_load(shipped(CATALOGUE).read_text(encoding='utf-8'))['Models']:
        about, (result,) = model['Metadata'], model['Results']
        ((metric, score),) = result['Metrics'].items() or [('AP', None)]
        data = ', '.join(f'{name} ({DATA_TERMS[name]})' for name in about['Training Data'])
        file = model['Weights'], about['Size'], tuple(map(int, about['Keypoints'].split()))
        terms = f'{about["License"]}; trained on {data}', model['Config'], about.get('Codec', '')
        short = about.get('Short', '')
        models.append(PublishedModel(model['Name'], short, *file, result['Dataset'], metric, score, *terms))
    return models


def find_model(name: str, models: Sequence[PublishedModel], more: Sequence[str] = ()) -> tuple[PublishedModel, str]:
    """Return the model with a name, and the dataset after its colon, which chooses one of several decoders, or ''.

    The name is the short one, that of the list, that without the publisher if it is unique, or the hub's. ValueError
    if it is not one model; the message has the nearest names, also of those in `more`.
    """
    stem, _, dataset = name.partition(':')
    named = [model for model in models if stem == model.short and (dataset in ('', 'coco') or len(model.keypoints) > 1)]
    if named:  # several publishers have ViTPose+; the file with only COCO's decoder needs no browser
        return min(named, key=lambda model: len(model.keypoints)), dataset
    matches = [model for model in models if stem == model.name or f'/{stem}/resolve/main/model.' in model.url]
    matches = matches or [model for model in models if model.name.partition('/')[2] == stem]
    if len(matches) == 1:
        return matches[0], dataset
    known = [*more, *dict.fromkeys(model.short for model in models if model.short), *(model.name for model in models)]
    near = [model.name for model in matches] or difflib.get_close_matches(stem, known, 4, 0.5)
    names = ', '.join(near) or 'see `vitpose models`'
    raise InputError(f'{name}: {"several models have" if matches else "no model has"} this name: {names}')
