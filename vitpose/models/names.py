"""Names that stand for a model wherever a file of one is expected, and names of person detectors."""

import re
from importlib.util import find_spec
from pathlib import Path

from ..errors import InputError, MissingFileError
from ..shipped import find_config
from .catalogue import NamedModel, PublishedModel, find_model, read_catalogue

DEFAULT = 'tiny'  # the model in this folder: tiny.onnx, tiny.safetensors for training, tiny.md about both
FILES = frozenset('.onnx .xml .py .json .yml .yaml .pth .pt .bin .safetensors .ckpt .txt'.split())
# of the OpenCV model zoo, Apache-2.0: the address, and the SHA-256
_ZOO = 'https://huggingface.co/opencv/object_detection_{0}/resolve/main/object_detection_{0}_2022nov.onnx'
DETECTORS = {
    'yolox': (_ZOO.format('yolox'), 'c5c2d13e59ae883e6af3b45daea64af4833a4951c92d116ec270d9ddbe998063'),  # 36 MB
    'nanodet': (_ZOO.format('nanodet'), '4b82da9944b88577175ee23a459dce2e26e6e4be573def65b1055dc2d9720186'),  # 4 MB
}


def is_name(model: str | Path) -> bool:
    """Answer whether to look this up as a model name: a transformers folder, or neither a file nor named like one.

    A folder without a model, such as the results of the model `base` in `base`, does not hide the name.
    """
    path = Path(model)
    is_short = not str(model).startswith(('.', '/', '~')) and len(path.parts) <= 2
    is_free = str(model) == DEFAULT or not (path.is_file() or holds_model(path))
    return (path / 'config.json').is_file() or (is_short and is_free and path.suffix.lower() not in FILES)


def holds_model(folder: str | Path) -> bool:
    """Answer whether a folder is a model, whatever its name: of transformers, or its weights alone."""
    patterns = 'config.json', 'model*.safetensors', 'pytorch_model*.bin'
    return any(True for pattern in patterns for _ in Path(folder).glob(pattern))


def model_file(name: str | Path, suffix: str = '.onnx') -> Path:
    """Return the file of the shipped model by its name. Anything else, such as './tiny', is a path."""
    return Path(__file__).with_name(f'{name}{suffix}') if str(name) == DEFAULT else Path(name)


def check_name(name: str, suffix: str = '.onnx') -> None:
    """Raise an error if a name has no model, or its model cannot run here; nothing is downloaded."""
    needs = f'{name} needs torch (`vitpose doctor`); without it, use tiny or'
    if name == DEFAULT:
        if not (file := model_file(name, suffix)).is_file():
            raise MissingFileError(f'{name}: {file} is missing; reinstall the package')
    elif holds_model(name):
        if find_spec('torch') is None:
            raise InputError(f'{needs} what `vitpose export {name} --to onnx` writes where it is installed')
    elif find_spec('torch') is None:
        if not (file := exported_file(name)).is_file():
            remedy = f'`vitpose models export {name}` where it is installed, and copy the file to {file}'
            raise InputError(f'{needs} {remedy}')
    elif _find_published(name) is None:
        from .hub import import_hub

        import_hub(name)


def find_files(name: str, suffix: str = '.onnx') -> NamedModel:
    """Find the files of a name, downloaded if necessary; `suffix` is that of the shipped model's file.

    Without torch, that is the file of `vitpose models export`. The errors are those of `check_name`; DownloadError if
    it cannot be downloaded.
    """
    check_name(name, suffix)
    if name == DEFAULT:
        return NamedModel(model_file(name, suffix))
    from .hub import find_in_folder, hub_folder

    if holds_model(name):
        return find_in_folder(Path(name))
    if find_spec('torch') is None:
        return NamedModel(exported_file(name))
    if (published := _find_published(name)) is None:
        return find_in_folder(hub_folder(name), name)
    from .download import download

    model, dataset = published
    wanted = (dataset or 'coco') if 'multi_dataset/' in model.config else None
    return NamedModel(download(model)[0], find_config(model.config), wanted, model.cfg_options(dataset))


def exported_file(name: str) -> Path:
    """Return where `vitpose models export` writes the ONNX form of a name in the cache; a model's names share it.

    ValueError for a folder, whose weights may change.
    """
    from .download import cache_folder

    if name == DEFAULT:
        return model_file(name)
    if holds_model(name):
        raise InputError(f'{name} is a folder: write its file with `vitpose export {name} --to onnx --out FILE`')
    if published := _find_published(name):
        name = ':'.join(filter(None, (published[0].name, published[1])))
    return cache_folder() / f'{re.sub("[/:]", "--", name)}.onnx'


def _find_published(name: str) -> tuple[PublishedModel, str] | None:
    """Find the published model of a name and its dataset; None for owner/name of a model hub."""
    models = read_catalogue()
    try:
        return find_model(name, models, [DEFAULT])
    except InputError as problem:
        if Path(name).is_dir():
            raise InputError(f'{problem}; and the folder {name} holds neither config.json nor weights') from None
        if '/' in name and not any(model.name.startswith(f'{name.partition("/")[0]}/') for model in models):
            return None
        raise


def detector_file(name: str, timeout: float = 30) -> Path:
    """Return the file of a detector of `DETECTORS`, downloaded into the cache if necessary."""
    from .download import cache_folder, fetch

    url, digest = DETECTORS[name]
    return fetch(url, cache_folder() / url.rpartition('/')[2], digest, timeout)
