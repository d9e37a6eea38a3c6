"""The config, folder and checkpoint of each run of the tables."""

import argparse
from typing import NamedTuple

from mmengine import Config

from projects.paper import changes as change
from projects.paper.tables import TABLES


class Run(NamedTuple):
    """One training."""

    table: int
    name: str
    seed: int


def needs(run: Run) -> list[Run]:
    """The prerequisites that a run waits for."""
    table = TABLES[run.table]
    row = table.rows.get(run.name) or table.prerequisites[run.name][0]
    return [Run(run.table, name, 0) for name in row.needs]


def steps_per_epoch(table: int, labels: int) -> int:
    """Steps of an epoch in every row of a table, whatever it trains on."""
    return -(-labels // TABLES[table].batch)


def config_of(table: int, name: str, seed: int, args: argparse.Namespace) -> Config:
    """The config of one run.

    Args:
        table: number of the table.
        name: of a row, or of a prerequisite.
        seed: of weights, order, augmentation and, for the 300 photographs, their choice.
        args: `photographs` (folder of the annotation files), `labels` (number of training people), `weights`, `out`,
            `files` (checkpoints of the prerequisites), `dtype` and `steps` (None: as planned).
    """
    planned = TABLES[table]
    row, epochs = planned.prerequisites.get(name) or (planned.rows[name], planned.epochs)
    config = row.base(args)
    config.randomness.seed = seed
    if args.steps is not None:
        epochs = -(-args.steps // steps_per_epoch(table, args.labels))
    change.schedule(config, epochs * row.longer)
    if row.base is change.base:
        config.train_dataloader.batch_size = planned.batch
        for each in planned.changes:
            each(config, args)
    for each in row.changes:
        each(config, args)
    return config
