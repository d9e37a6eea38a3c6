"""Find combinations of packages that are known to fail, and how to fix each."""

from importlib import metadata
from typing import NamedTuple

from .stack import FLAGS, PARTS, Versions, fix_command, parse_version

# modules that two distributions provide: OpenMMLab's own and the maintained fork
FORKED = {'mmengine', 'mmcv.ops', 'mmdet', 'mmpretrain'}


class Problem(NamedTuple):
    """What fails and why, and how to fix it."""

    what: str
    fix: str


def is_published_wheel(distribution: str) -> bool:
    """Answer whether a distribution was installed from a manylinux wheel, not built on this machine."""
    try:
        return 'manylinux' in (metadata.distribution(distribution).read_text('WHEEL') or '')
    except metadata.PackageNotFoundError:
        return False


def lacks_ops() -> bool:
    """Answer whether mmcv is installed without its compiled ops, as from a wheel built without MMCV_WITH_OPS."""
    for name in ('onedl-mmcv', 'mmcv'):
        try:
            files = metadata.files(name) or ()
        except metadata.PackageNotFoundError:
            continue
        return not any(file.name.startswith('_ext') for file in files)
    return False


def find_known_bad(versions: Versions, pins: Versions, coco_wheel: bool, no_ops: bool) -> list[Problem]:
    """Find the combinations that are known to fail.

    Args:
        versions: the installed version of each distribution.
        pins: the tested versions, for the commands.
        coco_wheel: whether xtcocotools is the published wheel, built against numpy 1.
        no_ops: whether mmcv has no compiled ops.
    """

    def at(*names: str) -> tuple[int, ...]:
        return next((parse_version(versions[name]) for name in names if name in versions), ())

    def both(first: str, second: str) -> str:
        return f'{first} {versions[first]} with {second} {versions[second]}'

    problems = []

    def add(what: str, command: str) -> None:
        problems.append(Problem(what, command))

    torch, numpy = at('torch'), at('numpy')
    mmcv = 'onedl-mmcv' if 'onedl-mmcv' in versions else 'mmcv'
    pretrain = 'onedl-mmpretrain' if 'onedl-mmpretrain' in versions else 'mmpretrain'
    if at('mmengine') and at('mmengine') <= (0, 10, 7) and torch >= (2, 6):
        what = f'{both("mmengine", "torch")}: training cannot be resumed (torch.load is weights_only since torch 2.6)'
        add(what, 'pip uninstall -y mmengine; pip install onedl-mmengine==0.10.12')
    if coco_wheel and numpy >= (2,):
        what = f'{both("xtcocotools", "numpy")}: the published wheel is built against numpy 1 and does not import'
        add(what, fix_command('xtcocotools', pins, again=True))
    if torch and torch < (2, 3) and numpy >= (2,):
        add(f'{both("torch", "numpy")}: this torch is built against numpy 1', "pip install 'numpy<2'")
    if no_ops and at(mmcv):
        what = f'{mmcv} {versions[mmcv]}: it has no compiled ops, and mmpose imports them'
        add(what, fix_command(mmcv, pins, again=True))
    if at('mmdet') and at('mmdet') <= (3, 3, 0) and at(mmcv) >= (2, 2):
        command = f'pip uninstall -y mmdet; {FLAGS["onedl-mmdetection"]} onedl-mmdetection==3.5.1'
        add(f'{both("mmdet", mmcv)}: it refuses mmcv 2.2 and newer', command)
    if at(pretrain) and at('transformers') >= (5,):
        what = "its VisionTransformer, which MMPose's own ViTPose needs, does not import"
        add(f'{both(pretrain, "transformers")}: {what}', 'pip install transformers==4.53.3')
    if at('openmim') and at('setuptools') >= (81,):
        what = f'{both("openmim", "setuptools")}: it needs pkg_resources, which setuptools dropped'
        add(what, "pip install 'setuptools<81'")
    if at('onedl-mim'):
        what = 'onedl-mim: it cannot run `mim train mmpose`'
        add(what, f'pip uninstall -y onedl-mim; {fix_command("openmim", pins)}')
    if at('mmcv-lite'):
        what = 'mmcv-lite: it has no compiled ops, and mmpose imports them'
        add(what, f'pip uninstall -y mmcv-lite; {fix_command("onedl-mmcv", pins)}')
    for part in PARTS:
        names = [name for name in part.distributions if name in versions]
        if part.module in FORKED and len(names) > 1:
            what = f'{" and ".join(names)}: both install into the same folder and overwrite each other'
            add(what, f'pip uninstall -y {" ".join(names)}; {fix_command(names[0], pins)}')
    return problems
