"""Find the missing files that a config names, and say how to get each."""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from typing import Any

# what a Runner builds or loads; other names in a config are only variables
_USED = (*(f'{split}_dataloader' for split in ('train', 'val', 'test')), 'val_evaluator', 'test_evaluator')
_USED += ('model', 'load_from')
_DATA = 'put the dataset there or set data_root (configs/README.md, "Data"); `vitpose synth` renders the synthetic ones'
_WEIGHTS = 'train the model of that name first, or pass another file'
# MMPose joins these with the dataset's data_root
_UNDER_DATA_ROOT = ('*.ann_file', '*.data_prefix.*', '*.camera_param_file', '*.joint_file')
_REMEDIES = {
    **dict.fromkeys((*_UNDER_DATA_ROOT, '*.headbox_file'), _DATA),
    '*.bbox_file': 'put the detected boxes there, or set it to None to use annotated boxes',
    '*.cache': 'write it with `vitpose teacher-cache`',
    '*.knowledge_token.init': 'write it with `vitpose token extract` from the checkpoint of stage 1',
    '*.init_cfg*.checkpoint': 'put the weights there, or set init_cfg=None for random weights',
    '*.teacher.config': "name the teacher's own config",
    '*.teacher.checkpoint': _WEIGHTS,
    'load_from': _WEIGHTS,
}


def find_missing_files(config: Any) -> dict[str, str]:
    """Return a message per file or folder that an MMEngine config names but that does not exist; URLs are skipped."""
    missing: dict[str, tuple[list[str], str]] = {}  # keys and remedy, by path
    for key, value, root in _strings({used: config.get(used) for used in _USED}):
        for pattern, remedy in _REMEDIES.items():
            if value and fnmatch(key, pattern):
                path = os.path.join(root, value) if pattern in _UNDER_DATA_ROOT else value
                if '://' not in path and not os.path.exists(path):
                    missing.setdefault(path, ([], remedy))[0].append(key)
    return {path: f'{path} is missing ({", ".join(keys)}): {remedy}' for path, (keys, remedy) in missing.items()}


def _strings(node: Any, key: str = '', root: str = '') -> Iterator[tuple[str, str, str]]:
    """Yield (dotted key, string, data_root that applies to it) of every string in a part of a config."""
    if isinstance(node, str):
        yield key, node, root
    elif isinstance(node, dict | list | tuple):
        if isinstance(node, dict):
            root = node.get('data_root') or root
        for name, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _strings(value, f'{key}.{name}' if key else str(name), root)
