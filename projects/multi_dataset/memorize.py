"""Train one model on photographs of five datasets with `mim train`, test it, and check each score.

    python projects/multi_dataset/memorize.py --data /path/to/photographs --out work_dirs/five_photo_sets

Fails if a score is below its bound.
"""

import argparse
import json
import re
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
from mmengine.config import Config
from rich.console import Console
from rich.table import Table
from scipy.io import savemat

from vitpose.runs.command import mim_command, run_logged

CONFIG = Path(__file__).with_name('five_photo_sets.py')
# Score of `mim test`: its maximum, and the fraction of it that must be reached.
BOUNDS = {
    'coco/AP': (1, 0.9),
    'aic/AP': (1, 0.9),
    'mpii/PCK': (100, 0.9),
    'ap10k/AP': (1, 0.9),
    'coco-wholebody/AP': (1, 0.7),
}
NECK, HEAD_TOP = 8, 9  # of MPII's 16 keypoints
HEAD_FRACTION = 0.6  # PCKh's head size relative to the diagonal of the head box


def write_config(data: Path, out: Path, epochs: int | None) -> Path:
    """Write the config with the paths of the photographs, and MPII's head boxes; `epochs` None keeps the config's."""
    cfg = Config.fromfile(CONFIG)
    if epochs is not None:
        cfg.train_cfg.update(max_epochs=epochs, val_interval=epochs + 1)  # `mim test` follows
        cfg.param_scheduler[1].update(T_max=epochs, end=epochs)
        cfg.default_hooks.checkpoint.interval = epochs
    heads = out / 'mpii_heads.mat'
    write_head_boxes(data / 'mpii/test_mpii.json', heads)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        for member in loader.dataset.datasets:
            member.data_root = str(data.resolve())
            if member.type == 'CheckedMpiiDataset' and member.get('test_mode'):
                member.headbox_file = str(heads.resolve())
    path = out / 'config.py'
    cfg.dump(path)
    return path


def write_head_boxes(annotations: Path, path: Path) -> None:
    """Write head boxes for PCKh, which the sample lacks: the head size is the distance from upper neck to head top."""
    corners = []
    for record in json.loads(annotations.read_text(encoding='utf-8')):
        neck, top = (np.array(record['joints'][joint]) for joint in (NECK, HEAD_TOP))
        corners.append([neck, neck + (top - neck) / HEAD_FRACTION])
    savemat(path, dict(headboxes_src=np.array(corners).transpose(1, 2, 0)))


def mim(action: str, config: Path, work_dir: Path, *options: str) -> str:
    """Run `mim` on the CPU, print its output and return it."""
    log = work_dir / f'{action}.log'
    log.parent.mkdir(parents=True, exist_ok=True)
    run_logged(mim_command(action, config, work_dir, '--gpus', '0', *options), log, partial(print, end='', flush=True))
    return log.read_text(encoding='utf-8')


def report_scores(output: str, minutes: float) -> bool:
    """Print the scores of a test with their bounds and return whether all bounds are reached."""
    table = Table('score', 'reached', 'bound', title=f'five datasets, one model, trained in {minutes:.1f} minutes')
    passed = True
    for name, (maximum, fraction) in BOUNDS.items():
        score = float(re.findall(rf'(?<!\S){re.escape(name)}: (-?[\d.]+)', output)[-1])
        passed &= score >= fraction * maximum
        table.add_row(name, f'{score:.3f}', f'{fraction * maximum:g}')
    Console(width=80).print(table)
    return passed


def main() -> None:
    """Train, test and check the scores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', type=Path, required=True, help='folder with coco/, aic/, mpii/ and ap10k/')
    out = Path('work_dirs/five_photo_sets')
    parser.add_argument('--out', type=Path, default=out, help='output folder (default %(default)s)')
    parser.add_argument('--epochs', type=int, help="number of epochs (default the config's)")
    args = parser.parse_args()
    if not args.data.is_dir():
        parser.error(f'--data {args.data} is not a folder; expected one with coco/, aic/, mpii/ and ap10k/')
    args.out.mkdir(parents=True, exist_ok=True)
    config, start = write_config(args.data, args.out, args.epochs), time.monotonic()
    mim('train', config, args.out)
    minutes = (time.monotonic() - start) / 60
    checkpoint = (args.out / 'last_checkpoint').read_text(encoding='utf-8').strip()
    output = mim('test', config, args.out / 'test', '--checkpoint', checkpoint)
    if not report_scores(output, minutes):
        sys.exit('a score is below its bound')


if __name__ == '__main__':
    main()
