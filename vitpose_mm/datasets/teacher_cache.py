"""A training set whose augmentations come from a few seeds, and a teacher's heatmaps of each."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmpose.registry import DATASETS

INDEX = 'cache.json'


@DATASETS.register_module()
class TeacherCacheDataset:
    """Draws one of a few augmentations of each sample, and adds the teacher's heatmaps of it.

    Sample i with seed s is the same wherever and whenever it is drawn, so a teacher can look at it
    once. Which seed it is, is drawn anew each time from the loader's own random numbers. Samples then
    have `gt_fields.teacher_heatmaps` (K, Hm, Wm) in fp16, which `DistillPoseEstimator(teacher=None)`
    learns from.

    Args:
        dataset: config of the training set.
        cache: folder that `vitpose teacher-cache` wrote of it; None for samples without heatmaps, to
            run the teacher on the same augmentations.
        seeds: of the augmentations; those of the cache if there is one.

    Raises:
        FileNotFoundError: there is no complete cache.
        ValueError: it is of other samples, another pipeline, or not of these seeds; or no seed.
    """

    def __init__(self, dataset: dict, cache: str | None = None, seeds: Sequence[int] | None = None):
        self.dataset = DATASETS.build(dataset)
        self.identity = identify(dataset, self.dataset)
        self.cache = None if cache is None else Path(cache)
        known = seeds if self.cache is None else read_index(self.cache, self.identity)
        self.seeds = list(seeds if seeds is not None else known or ())
        if not self.seeds or not set(self.seeds) <= set(known or ()):
            raise ValueError(f'TeacherCacheDataset: seeds={seeds}, expected at least one'
                             + (f' of {known}, which {cache} has' if self.cache else ', such as [0, 1, 2, 3]'))
        self._maps: dict[int, np.ndarray] = {}

    @property
    def metainfo(self) -> dict:
        """The dataset's own."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Samples of an epoch, each under one seed."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        """Sample `index` under a seed that is drawn."""
        return self.sample(index, self.seeds[np.random.randint(len(self.seeds))])

    def sample(self, index: int, seed: int) -> dict:
        """Sample `index` with the augmentation of `seed`, and the teacher's heatmaps of it."""
        with random_numbers_of(seed, index):
            packed = self.dataset.prepare_data(index)
        if packed is None:
            raise ValueError(f'TeacherCacheDataset: the pipeline drops sample {index}; it has to keep all')
        if self.cache is not None:
            if seed not in self._maps:
                self._maps[seed] = np.load(heatmap_file(self.cache, seed), mmap_mode='r')
            heatmaps, fields = torch.from_numpy(np.array(self._maps[seed][index])), packed['data_samples'].gt_fields
            if heatmaps.shape[1:] != fields.heatmaps.shape[1:]:
                raise ValueError(f'{self.cache} has heatmaps of (h, w) {tuple(heatmaps.shape[1:])}, the pipeline makes '
                                 f'{tuple(fields.heatmaps.shape[1:])}: take a teacher of the same')
            fields.set_field(heatmaps, 'teacher_heatmaps')
        return packed


@contextmanager
def random_numbers_of(seed: int, index: int) -> Iterator[None]:
    """Random numbers of python, numpy and torch that depend on these two alone; the old ones go on after."""
    states = random.getstate(), np.random.get_state()
    first, second, third = np.random.SeedSequence(seed, spawn_key=(index, )).generate_state(3).tolist()
    with torch.random.fork_rng(devices=[]):
        random.seed(first)
        np.random.seed(second)
        torch.manual_seed(third)
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])


def identify(config: dict, dataset: Any) -> dict[str, str]:
    """What heatmaps of a dataset depend on: fingerprints of its samples and of its pipeline.

    Of many samples a thousand are looked at, and how many there are.
    """
    samples: list = [len(dataset)]
    for i in np.unique(np.linspace(0, len(dataset) - 1, 1000).astype(int)).tolist():
        info = dataset.get_data_info(i)
        samples.append((info.get('img_id'), info.get('id'), np.asarray(info['bbox']).round(2).tolist()))
    parts = dict(samples=samples, pipeline=config.get('pipeline', config.get('datasets')))
    texts = {name: json.dumps(part, sort_keys=True, default=str) for name, part in parts.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def heatmap_file(cache: Path, seed: int) -> Path:
    """Where the heatmaps (N, K, Hm, Wm) of a seed are."""
    return cache / f'seed{seed}.npy'


def read_index(cache: Path, identity: dict[str, str]) -> list[int]:
    """The seeds of a cache, once it is sure that it is of these samples and this pipeline."""
    if not (cache / INDEX).is_file():
        raise FileNotFoundError(f'{cache} has no {INDEX}: write it, to its end, with `vitpose teacher-cache CONFIG '
                                f'--out {cache} --seeds 0 1 ...`')
    index = json.loads((cache / INDEX).read_text(encoding='utf-8'))
    for part, fingerprint in identity.items():
        if index[part] != fingerprint:
            raise ValueError(f'{cache} was written for other {part} than this dataset has: write it anew with `vitpose '
                             'teacher-cache`, from the config that trains')
    return index['seeds']
