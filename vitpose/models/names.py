"""Names that stand for a model wherever a file of one is expected."""

from pathlib import Path

SHIPPED = ('tiny',)  # models in this folder: NAME.onnx, NAME.safetensors for training, NAME.md about both
DEFAULT = 'tiny'


def model_file(name: str | Path, suffix: str = '.onnx') -> Path:
    """The file of a shipped model, by its name; anything else is a path. './tiny' is a path, too."""
    return Path(__file__).with_name(f'{name}{suffix}') if str(name) in SHIPPED else Path(name)
