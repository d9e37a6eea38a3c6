"""Combinations of packages that are known to fail, and how to fix each."""

from importlib import metadata
from typing import NamedTuple

from .stack import FLAGS, PARTS, Versions, fix, numbers

# modules that two distributions provide: OpenMMLab's own and the maintained fork
FORKED = {'mmengine', 'mmcv.ops', 'mmdet', 'mmpretrain'}


class Bad(NamedTuple):
    """What fails and why, and how to fix it."""

    what: str
    fix: str


def is_published_wheel(distribution: str) -> bool:
    """Whether a distribution was installed from a manylinux wheel, not built on this machine."""
    try:
        return 'manylinux' in (metadata.distribution(distribution).read_text('WHEEL') or '')
    except metadata.PackageNotFoundError:
        return False


def lacks_ops() -> bool:
    """Whether mmcv is installed without its compiled ops, as from a wheel built without MMCV_WITH_OPS."""
    for name in ('onedl-mmcv', 'mmcv'):
        try:
            files = metadata.files(name) or ()
        except metadata.PackageNotFoundError:
            continue
        return not any(file.name.startswith('_ext') for file in files)
    return False


def known_bad(versions: Versions, pins: Versions, coco_wheel: bool, no_ops: bool) -> list[Bad]:
    """Name the combinations that are known to fail.

    Args:
        versions: The installed version of each distribution.
        pins: The tested versions, for the commands.
        coco_wheel: Whether xtcocotools is the published wheel, built against numpy 1.
        no_ops: Whether mmcv has no compiled ops.
    """

    def at(*names: str) -> tuple[int, ...]:
        return next((numbers(versions[name]) for name in names if name in versions), ())

    def both(first: str, second: str) -> str:
        return f'{first} {versions[first]} with {second} {versions[second]}'

    found = []
    torch, numpy = at('torch'), at('numpy')
    if at('mmengine') and at('mmengine') <= (0, 10, 7) and torch >= (2, 6):
        what = 'training cannot be resumed (torch.load is weights_only since torch 2.6)'
        command = 'pip uninstall -y mmengine; pip install onedl-mmengine==0.10.12'
        found.append(Bad(f'{both("mmengine", "torch")}: {what}', command))
    if coco_wheel and numpy >= (2,):
        what = 'the published wheel is built against numpy 1 and does not import'
        found.append(Bad(f'{both("xtcocotools", "numpy")}: {what}', fix('xtcocotools', pins, again=True)))
    if torch and torch < (2, 3) and numpy >= (2,):
        what = 'this torch is built against numpy 1'
        found.append(Bad(f'{both("torch", "numpy")}: {what}', "pip install 'numpy<2'"))
    mmcv = 'onedl-mmcv' if 'onedl-mmcv' in versions else 'mmcv'
    if no_ops and at(mmcv):
        what = f'{mmcv} {versions[mmcv]}: it has no compiled ops, and mmpose imports them'
        found.append(Bad(what, fix(mmcv, pins, again=True)))
    if at('mmdet') and at('mmdet') <= (3, 3, 0) and at(mmcv) >= (2, 2):
        command = f'pip uninstall -y mmdet; {FLAGS["onedl-mmdetection"]} onedl-mmdetection==3.5.1'
        found.append(Bad(f'{both("mmdet", mmcv)}: it refuses mmcv 2.2 and newer', command))
    pretrain = 'onedl-mmpretrain' if 'onedl-mmpretrain' in versions else 'mmpretrain'
    if at(pretrain) and at('transformers') >= (5,):
        what = "its VisionTransformer, which MMPose's own ViTPose needs, does not import"
        command = 'pip install transformers==4.53.3'
        found.append(Bad(f'{both(pretrain, "transformers")}: {what}', command))
    if at('openmim') and at('setuptools') >= (81,):
        what = 'it needs pkg_resources, which setuptools dropped'
        found.append(Bad(f'{both("openmim", "setuptools")}: {what}', "pip install 'setuptools<81'"))
    if at('onedl-mim'):
        command = f'pip uninstall -y onedl-mim; {fix("openmim", pins)}'
        found.append(Bad('onedl-mim: it cannot run `mim train mmpose`', command))
    if at('mmcv-lite'):
        what = 'mmcv-lite: it has no compiled ops, and mmpose imports them'
        found.append(Bad(what, f'pip uninstall -y mmcv-lite; {fix("onedl-mmcv", pins)}'))
    for part in PARTS:
        names = [name for name in part.distributions if name in versions]
        if part.module in FORKED and len(names) > 1:
            what = f'{" and ".join(names)}: both install into the same folder and overwrite each other'
            command = f'pip uninstall -y {" ".join(names)}; {fix(names[0], pins)}'
            found.append(Bad(what, command))
    return found
