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
        FileNotFoundError: there is no cache.
        ValueError: it is of other samples, another pipeline, or not of these seeds; without `seeds`,
            not yet of all that the command was asked for; or no seed.
    """

    def __init__(self, dataset: dict, cache: str | None = None, seeds: Sequence[int] | None = None):
        self.dataset = DATASETS.build(dataset)
        self.identity = identify(dataset, self.dataset)
        self.cache = None if cache is None else Path(cache)
        known = wanted = seeds or ()
        if self.cache is not None:
            index = read_index(self.cache, self.identity)
            known, wanted = index['seeds'], index['wanted'] if seeds is None else seeds
        self.seeds = list(wanted)
        if not self.seeds or not set(self.seeds) <= set(known):
            choice = (
                f' of {known}, which {cache} has: run `vitpose teacher-cache`, which continues, or choose among them'
                if self.cache
                else ', such as [0, 1, 2, 3]'
            )
            raise ValueError(f'TeacherCacheDataset: seeds={self.seeds}, expected at least one{choice}')
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
                raise ValueError(
                    f'{self.cache} has heatmaps of (h, w) {tuple(heatmaps.shape[1:])}, the pipeline makes '
                    f'{tuple(fields.heatmaps.shape[1:])}: take a teacher of the same'
                )
            fields.set_field(heatmaps, 'teacher_heatmaps')
        return packed


@contextmanager
def random_numbers_of(seed: int, index: int) -> Iterator[None]:
    """Random numbers of python, numpy and torch that depend on these two alone; the old ones go on after."""
    states = random.getstate(), np.random.get_state()
    first, second, third = np.random.SeedSequence(seed, spawn_key=(index,)).generate_state(3).tolist()
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
        with random_numbers_of(0, i):  # a joined dataset may draw which sample it is
            info = dataset.get_data_info(i)
        samples.append((info.get('img_id'), info.get('id'), np.asarray(info['bbox']).round(2).tolist()))
    parts = dict(samples=samples, pipeline=_pipelines(config))
    texts = {name: json.dumps(part, sort_keys=True, default=str) for name, part in parts.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def _pipelines(config: dict) -> Any:
    """The pipeline of a dataset's config, or those of the members, which pack the samples."""
    return [_pipelines(member) for member in config['datasets']] if 'datasets' in config else config.get('pipeline')


def heatmap_file(cache: Path, seed: int) -> Path:
    """Where the heatmaps (N, K, Hm, Wm) of a seed are."""
    return cache / f'seed{seed}.npy'


def read_index(cache: Path, identity: dict[str, str]) -> dict[str, Any]:
    """The index of a cache: `seeds` that are done, `wanted`, all that the command was asked for, and `shape`.

    Args:
        cache: the folder.
        identity: what the index has to agree with: `identify`'s, and maybe the teacher's `sha256`.

    Raises:
        FileNotFoundError: there is no index.
        ValueError: it is of something else.
    """
    if not (cache / INDEX).is_file():
        raise FileNotFoundError(
            f'{cache} has no {INDEX}: write it with `vitpose teacher-cache CONFIG --out {cache} --seeds 0 1 ...`'
        )
    index = json.loads((cache / INDEX).read_text(encoding='utf-8'))
    for part, fingerprint in identity.items():
        if index[part] != fingerprint:
            names = dict(
                samples='other samples',
                pipeline='another pipeline',
                sha256=f'another teacher, of SHA-256 {index.get("sha256")}',
            )
            raise ValueError(
                f'{cache} was written for {names[part]}: run `vitpose teacher-cache` with the config that '
                'trains and another --out, or remove the folder first'
            )
    return {'wanted': index['seeds'], **index}
