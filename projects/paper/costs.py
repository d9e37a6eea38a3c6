"""What a run costs: planned from MACs, measured on this machine."""

import argparse
import json
import time

import torch
from mmengine import Config

from projects.paper.changes import NETWORK, network
from projects.paper.runs import config_of
from projects.paper.tables import TABLES
from vitpose.runs.table import machine
from vitpose_base.files import write_text
from vitpose_mm.cost import Count, count, measure
from vitpose_mm.cost.measure import make_step

COUNTS: dict[str, Count] = {}  # by model, as JSON
MEASURED = {4: ('inference', 32), 5: ('train', 16)}  # of these tables: what, and images per step
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
# Seconds of one thread of a processor with avx512_bf16: of loading a photograph, and of training per image and MAC in
# bf16. They follow from 1.21 s per step of 32 with two threads, ViTPose-S at 192x144 with a decoder of 256 channels.
LOADING, PER_MAC = 0.0038, 2.3 / 32 / 2.92e9
MASKED = 0.3  # MACs of a masked autoencoder, of those of its ViT
TEST, HELD_OUT, START = 1000, 404, 6  # people, and seconds that a training needs to start


def counted(config: Config) -> Count:
    """Parameters and MACs of a config's model, each model once; for a masked autoencoder, of ViTPose-S."""
    model = config.model if 'head' in config.model else network(NETWORK).model
    key = json.dumps(model.to_dict())
    if key not in COUNTS:
        COUNTS[key] = count(model)
    return COUNTS[key]


def macs(config: Config) -> int:
    """MACs of a config's network for one image."""
    return sum(counted(config).macs.values())


def planned_seconds(config: Config, steps: int, speed: float = 1) -> float:
    """Roughly how long a run takes on one thread; `speed` is in seconds per MAC, of those of the processor above."""
    is_masked, per_mac = 'head' not in config.model, PER_MAC * speed
    step = LOADING + per_mac * macs(config) * (MASKED if is_masked else 1)
    if 'teacher' in config.model:
        step += per_mac * macs(network(NETWORK)) / 3
    seconds = START + steps * config.train_dataloader.batch_size * step
    if is_masked:
        return seconds
    people = TEST + HELD_OUT * -(-config.train_cfg.max_epochs // config.train_cfg.val_interval)
    return seconds + people * (LOADING + per_mac * macs(config) * 4 / 3)  # twice forward, a third of a step, in float32


def measured_speed(config: Config, dtype: str) -> float:
    """Measure a training step of a config on this machine; return seconds per MAC, of those of the processor above."""
    batch = config.train_dataloader.batch_size
    step = make_step(config.model, 'train', batch, DEVICE, dtype)
    step()
    start = time.monotonic()
    for _ in range(2):
        step()
    return (time.monotonic() - start) / 2 / batch / macs(config) / PER_MAC


def measure_costs(table: int, args: argparse.Namespace) -> None:
    """Measure time and memory of a table's rows, one thread, and write them to a file; a finished file is kept."""
    result = args.results / f'table{table}_cost.json'
    if result.exists():
        return
    mode, batch = MEASURED[table]
    models = [config_of(table, name, 0, args).model for name in TABLES[table].rows]
    print(f'table {table}: measuring time and memory of {len(models)} rows', flush=True)
    found = measure(models, mode, batch, DEVICE, args.dtype)
    pairs = zip(TABLES[table].rows, found, strict=True)
    rows = {name: dict(seconds=each.seconds, bytes=each.peak_bytes) for name, each in pairs}
    about = dict(mode=mode, batch=batch, dtype=args.dtype, machine=machine())
    write_text(result, json.dumps(about | {'rows': rows}, indent=1) + '\n')
