"""What a checkpoint's weights do not tell: keypoints, crop, codec; of a shipped dataset, or as the file records it."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from vitpose_mm.checkpoints.recorded_config import read_recorded_config
from vitpose_mm.networks.codecs import CODECS, HeatmapCodec

from ...errors import InputError
from .crops import read_crop_rule
from .file_info import metainfo_fields

DATASETS = Path(__file__).with_name('datasets.json')  # what the shipped configs say, a test compares


@cache
def read_datasets() -> dict[str, dict[str, Any]]:
    """The shipped datasets by name: fields of `FileInfo`, and the settings of their models.

    `alone` are the settings of the configs of one dataset, `shared` those of the multi-dataset configs.
    """
    return json.loads(DATASETS.read_text(encoding='utf-8'))
