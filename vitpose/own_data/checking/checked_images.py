"""Decode image files once, and describe them."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MISSING = 'missing'


@dataclass(frozen=True)
class ImageFile:
    """A description of an image file."""

    size: tuple[int, int] | None  # (w, h) in pixels, upright; None if the file cannot be read
    error: str  # why it cannot be read, in one line, or ''
    rotated: int = 0  # EXIF's orientation, unless it is upright
    unusual: str = ''  # '16 bits' or 'grayscale', or ''
    digest: str = ''  # SHA-256 of its bytes
    bits: int | None = None  # 10, 12 or 16, which hold the largest value of a file of 16 bits


def read_files(paths: Sequence[Path]) -> dict[Path, ImageFile]:
    """Decode each image file once, in threads; a terminal shows a progress bar."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    bar: Any = dict(console=console, transient=True, disable=not console.is_terminal)
    with ThreadPoolExecutor() as pool:
        return dict(zip(paths, track(pool.map(_read_file, paths), 'reading images', len(paths), **bar), strict=True))


def _read_file(path: Path) -> ImageFile:
    """Decode an image file as training does."""
    from PIL import Image

    from vitpose_base.image_files import exif_orientation
    from vitpose_base.pixels import UNSUPPORTED, decode_deep, depth_of
    from vitpose_mm.datasets.transforms.image_file import decode_image, read_image_file

    if not path.is_file():
        return ImageFile(None, MISSING)
    try:
        data = read_image_file(path)
        height, width = decode_image(data, path).shape[:2]
        deep = decode_deep(data)
        bits = None if deep is None else depth_of(deep)
        with Image.open(io.BytesIO(data)) as image:
            mode, orientation = image.mode, exif_orientation(image)
        if mode[0] in 'FI' and not bits:  # signed integers of 16 bits, any of 32, or fractions: decoded, but clipped
            raise ValueError(UNSUPPORTED)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as problem:
        text = ' '.join(str(problem).split())
        return ImageFile(None, text if str(path) in text else f'{path}: {text}')
    unusual = '16 bits' if bits else 'grayscale' if mode in ('L', 'LA', '1') else ''
    rotated = orientation if 2 <= orientation <= 8 else 0
    return ImageFile((width, height), '', rotated, unusual, hashlib.sha256(data).hexdigest(), bits)
