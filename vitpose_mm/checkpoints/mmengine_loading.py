"""How MMEngine reads checkpoints: addresses for `load_from` and `init_cfg` that lead to the safe reader."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlparse

import torch
from mmengine.dist import barrier, is_main_process
from mmengine.model import BaseModule
from mmengine.runner import CheckpointLoader

from .origins import recognize, unwrap
from .safe_load import load_logged
from .safe_unpickler import read_torch_file
from .validation import find_load_problems

SAFE_SCHEME, RESUME_SCHEME = 'vitpose-safe://', 'vitpose-resume://'  # paths that MMEngine reads with this module
WEB_SCHEMES = ('http://', 'https://')


def use_safe_loader(file: str, scheme: str = SAFE_SCHEME) -> str:
    """Return the address under which MMEngine reads a file or web address with this module; keep other addresses."""
    return file if '://' in file and not file.startswith(WEB_SCHEMES) else scheme + file


def _local_path(address: str, scheme: str) -> Path:
    """Return the file of an address, downloaded to torch's cache if it is on the web."""
    name = address.removeprefix(scheme)
    if not name.startswith(WEB_SCHEMES):
        return Path(name).expanduser()
    folder = hashlib.sha256(name.encode()).hexdigest()[:16]  # files of other addresses may have the same name
    path = Path(torch.hub.get_dir(), 'checkpoints', folder, Path(urlparse(name).path).name)
    for turn in (is_main_process(), True):  # the other processes may have a different disk
        if turn and not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(name, str(path), progress=False)
        barrier()
    return path


@CheckpointLoader.register_scheme(prefixes=(SAFE_SCHEME, r'.*\.safetensors$', r'.*\.index\.json$', r'.*/$'))
def load_from_safe(filename: str, map_location: object = None) -> dict:
    """Read 'state_dict' and 'meta' of a checkpoint for MMEngine's `load_from` and `init_cfg`, onto the CPU."""
    loaded = load_logged(_local_path(filename, SAFE_SCHEME))
    return dict(state_dict=loaded.weights, meta=loaded.meta)


@CheckpointLoader.register_scheme(prefixes=RESUME_SCHEME)
def load_from_resume(filename: str, map_location: object = None) -> dict:
    """Read everything in a checkpoint of a run, including the state of the optimizer, to continue the run."""
    path = _local_path(filename, RESUME_SCHEME)
    content = read_torch_file(path, map_location, mmap=False)  # the optimizer would keep the file mapped
    if isinstance(content, dict) and isinstance(content.get('meta'), dict):
        content['meta'].pop('config', None)  # MMEngine would run it; its files have `cfg`
    return content


def pretrained_setting(prefix: str, file: str) -> str:
    """Return the backbone setting that loads the ViT with this prefix from a file; our schemes are removed."""
    path = file.removeprefix(SAFE_SCHEME).removeprefix(RESUME_SCHEME)
    return f"init_cfg=dict(type='Pretrained', checkpoint={path!r}{f', prefix={prefix!r}' if prefix else ''})"


def init_pretrained(module: BaseModule, initialize: Callable[[], object]) -> None:
    """Run MMEngine's `init_weights` of a module; read `init_cfg`'s files safely and refuse those that do not fit."""
    for part in module.modules():
        if hasattr(part, 'load_problem'):
            part.load_problem = ''  # type: ignore[assignment]
    hint = ''
    for cfg in module.init_cfg if isinstance(module.init_cfg, list) else [module.init_cfg]:
        if not isinstance(cfg, dict) or not isinstance(file := cfg.get('checkpoint'), str):
            continue
        cfg['checkpoint'] = use_safe_loader(file)  # the module has its own copy of `init_cfg`
        if hasattr(module, 'patch_embed'):
            weights, _ = unwrap(CheckpointLoader.load_checkpoint(cfg['checkpoint'], 'cpu'))
            prefix, origin = (cfg.get('prefix') or '').rstrip('.'), recognize(weights)
            module.recorded = (getattr(weights, '_metadata', None) or {}).get(prefix, {})  # MMEngine drops it
            if origin is not None and origin.prefix.rstrip('.') != prefix:
                line = pretrained_setting(origin.prefix, file)
                hint = f'; its ViT has the prefix {origin.prefix!r}: load it with {line}'
    try:
        initialize()
        module.recorded = {}  # it holds for these files only
        problem = find_load_problems(module)
    except AssertionError as error:
        problem = str(error)
        if 'is not in the pretrained model' not in problem:  # MMEngine's message when no key has the prefix
            raise
    if problem:
        raise ValueError(problem + hint)
