"""The README's config, pasted into a file and trained by MIM for one short epoch."""

import math
import re


def test_the_pasted_config_trains(root, tmp_path, tiny_coco, run, mim):
    (text,) = re.findall(r"```python\n(_base_ = 'mmpose::.*?)```", (root / 'README.md').read_text('utf-8'), re.DOTALL)
    (tmp_path / 'pasted.py').write_text(text)
    data = [
        f'{part}_dataloader.dataset.{key}'
        for part in ('train', 'val', 'test')
        for key in (f'ann_file={tiny_coco}/people.json', f'data_prefix.img={tiny_coco}')
    ]
    output = run(
        mim,
        'train',
        'mmpose',
        'pasted.py',
        '--gpus',
        0,
        '--work-dir',
        'run',
        '--cfg-options',
        'model.backbone.init_cfg=None',
        *data,
        'val_dataloader.dataset.bbox_file=None',
        f'val_evaluator.ann_file={tiny_coco}/people.json',
        'train_dataloader.batch_size=12',
        'train_cfg.max_epochs=1',
        'default_hooks.logger.interval=1',
    )  # no weights to download
    losses = [float(value) for value in re.findall(r' loss: ([\d.]+|nan|inf)', output)]
    assert len(losses) == 2 and all(math.isfinite(loss) for loss in losses)
    assert 'coco/AP: ' in output
