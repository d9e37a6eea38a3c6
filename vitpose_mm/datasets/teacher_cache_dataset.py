"""A training set with a few fixed augmentations per sample, for which a teacher's heatmaps can be cached."""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmpose.registry import DATASETS

from .bad_images import bad_image_list_path, first_readable
from .combined import find_members

INDEX_FILE = 'cache.json'


@DATASETS.register_module()
class TeacherCacheDataset:
    """Augment each sample with one of a few seeds and add the teacher's cached heatmaps for it.

    The pair (sample, seed) fixes the augmentation, so the teacher runs once per pair. The seed is drawn from the
    loader's random numbers each time a sample is read. Samples get `gt_fields.teacher_heatmaps` (K, Hm, Wm) in fp16,
    from which `DistillPoseEstimator(teacher=None)` trains.

    Args:
        dataset: config of the training set.
        cache: folder that `vitpose teacher-cache` wrote for it; None adds no heatmaps, to run the teacher on the
            same augmentations during training.
        seeds: seeds of the augmentations; None for all seeds requested when the cache was written.

    Raises:
        FileNotFoundError: the cache does not exist.
        ValueError: no seed is given, or the cache lacks one of the seeds or was written for other samples or
            another pipeline.
    """

    def __init__(self, dataset: dict, cache: str | None = None, seeds: Sequence[int] | None = None):
        self.dataset = DATASETS.build(dataset)
        self.identity = fingerprint(dataset, self.dataset)
        self.cache = None if cache is None else Path(cache)
        cached = self.seeds = list(seeds or ())
        if self.cache is not None:
            index = read_index(self.cache, self.identity)
            cached, self.seeds = index['seeds'], list(index['wanted'] if seeds is None else seeds)
        if not self.seeds or not set(self.seeds) <= set(cached):
            choice = ', such as [0, 1, 2, 3]'
            if self.cache:
                ways = 'choose among them, or add seeds with `vitpose teacher-cache`'
                choice = f' of {cached}, the seeds in {cache}: {ways}'
            raise ValueError(f'TeacherCacheDataset: seeds={self.seeds}, expected at least one{choice}')
        self._maps: dict[int, np.ndarray] = {}
        # a replacement needs its own heatmaps, so this dataset replaces samples instead of the wrapped datasets
        self.on_bad_image, self.bad_image_list = 'raise', bad_image_list_path()
        self.bad_images: set[str] = set()
        for member in find_members(self.dataset):
            if getattr(member, 'on_bad_image', 'raise') == 'skip':
                self.on_bad_image, member.on_bad_image = 'skip', 'raise'

    @property
    def metainfo(self) -> dict:
        """The metainfo of the wrapped dataset."""
        return self.dataset.metainfo

    def __len__(self) -> int:
        """Return the number of samples per epoch; each is read with one seed."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> dict:
        """Return sample `index` with the augmentation of a random seed."""
        return self.sample(index, self.seeds[np.random.randint(len(self.seeds))])

    def sample(self, index: int, seed: int) -> dict:
        """Return sample `index` with the augmentation of `seed` and the teacher's cached heatmaps for it."""
        return first_readable(self, index, lambda number: self._sample(number, seed))

    def _sample(self, index: int, seed: int) -> dict:
        with seeded(seed, index):
            packed = self.dataset.prepare_data(index)
        if packed is None:
            raise ValueError(f'TeacherCacheDataset: the pipeline drops sample {index}, but it must keep every sample')
        if self.cache is not None:
            if seed not in self._maps:
                self._maps[seed] = np.load(heatmap_file(self.cache, seed), mmap_mode='r')
            heatmaps, data = torch.from_numpy(np.array(self._maps[seed][index])), packed['data_samples']
            if not hasattr(data, 'gt_fields'):  # with KeypointTarget; DistillPoseEstimator compares the sizes
                data.gt_fields = PixelData()
            fields = data.gt_fields
            if 'heatmaps' in fields and heatmaps.shape[1:] != fields.heatmaps.shape[1:]:
                raise ValueError(
                    f'{self.cache} has heatmaps of (h, w) {tuple(heatmaps.shape[1:])}, but the pipeline makes '
                    f'{tuple(fields.heatmaps.shape[1:])}: use a teacher with the same heatmap size'
                )
            fields.set_field(heatmaps, 'teacher_heatmaps')
        return packed


@contextmanager
def seeded(seed: int, index: int) -> Iterator[None]:
    """Seed python, numpy and torch from (seed, index) inside the block, and restore their states afterwards."""
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


def fingerprint(config: dict, dataset: Any) -> dict[str, str]:
    """Return fingerprints (SHA-256) of a dataset's samples and pipeline, on which cached heatmaps depend.

    `dataset` is built from `config`. Of the samples, their number and at most 1000, evenly spaced, are covered.
    """
    samples: list = [len(dataset)]
    for i in np.unique(np.linspace(0, len(dataset) - 1, 1000).astype(int)).tolist():
        with seeded(0, i):  # CombinedPoseDataset with sample_ratio_factor picks the sample at random
            info = dataset.get_data_info(i)
        samples.append((info.get('img_id'), info.get('id'), np.asarray(info['bbox']).round(2).tolist()))
    contents = dict(samples=samples, pipeline=_pipelines(config))
    texts = {name: json.dumps(content, sort_keys=True, default=str) for name, content in contents.items()}
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def _pipelines(config: dict) -> Any:
    """Return the pipeline of a dataset's config, or the pipelines of the members of a combined dataset."""
    return [_pipelines(member) for member in config['datasets']] if 'datasets' in config else config.get('pipeline')


def heatmap_file(cache: Path, seed: int) -> Path:
    """Return the path of the heatmaps (N, K, Hm, Wm) of a seed."""
    return cache / f'seed{seed}.npy'


def read_index(cache: Path, identity: dict[str, str]) -> dict[str, Any]:
    """Return the index of a cache folder: `seeds` (finished), `wanted` (all seeds requested) and `shape`.

    It must match `identity`: the result of `fingerprint`, and optionally the teacher's `sha256`. FileNotFoundError
    without an index; ValueError if the cache was written for other samples, another pipeline or another teacher.
    """
    if not (cache / INDEX_FILE).is_file():
        raise FileNotFoundError(
            f'{cache} has no {INDEX_FILE}: write it with `vitpose teacher-cache CONFIG --out {cache} --seeds 0 1 ...`'
        )
    index = json.loads((cache / INDEX_FILE).read_text(encoding='utf-8'))
    names = dict(samples='other samples', pipeline='another pipeline', sha256='another teacher, with SHA-256 {}')
    for key, expected in identity.items():
        if index[key] != expected:
            raise ValueError(
                f'{cache} was written for {names[key].format(index[key])}: run `vitpose teacher-cache` with the '
                'training config and another --out, or delete the folder first'
            )
    return {'wanted': index['seeds'], **index}
