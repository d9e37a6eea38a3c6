"""Find combinations of packages that are known to fail, and how to fix each."""

from contextlib import suppress
from importlib import metadata

from .stack import FLAGS, PARTS, Versions, fix_command, parse_version

# modules that two distributions provide: OpenMMLab's own and the maintained fork
FORKED = {'mmengine', 'mmcv.ops', 'mmdet', 'mmpretrain'}
Problem = tuple[str, str]  # what fails and why, and how to fix it


def is_published_wheel(distribution: str) -> bool:
    """Answer whether a distribution was installed from a manylinux wheel, not built on this machine."""
    with suppress(metadata.PackageNotFoundError):
        return 'manylinux' in (metadata.distribution(distribution).read_text('WHEEL') or '')
    return False


def lacks_ops() -> bool:
    """Answer whether mmcv is installed without its compiled ops, as from a wheel built without MMCV_WITH_OPS."""
    for name in ('onedl-mmcv', 'mmcv'):
        with suppress(metadata.PackageNotFoundError):
            return not any(file.name.startswith('_ext') for file in metadata.files(name) or ())
    return False


def find_known_bad(versions: Versions, pins: Versions, coco_wheel: bool, no_ops: bool) -> list[Problem]:
    """Find the combinations of installed versions that are known to fail; commands install the tested versions `pins`.

    `coco_wheel` says that xtcocotools is the published wheel, built against numpy 1, and `no_ops` that mmcv has no
    compiled ops.
    """
    problems: list[Problem] = []

    def at(name: str) -> tuple[int, ...]:
        return parse_version(versions.get(name, ''))

    def both(first: str, second: str) -> str:
        return f'{first} {versions[first]} with {second} {versions[second]}'

    torch, numpy = at('torch'), at('numpy')
    mmcv = 'onedl-mmcv' if 'onedl-mmcv' in versions else 'mmcv'
    pretrain = 'onedl-mmpretrain' if 'onedl-mmpretrain' in versions else 'mmpretrain'
    if at('mmengine') and at('mmengine') <= (0, 10, 7) and torch >= (2, 6):
        what = f'{both("mmengine", "torch")}: training cannot be resumed (torch.load is weights_only since torch 2.6)'
        problems.append((what, 'pip uninstall -y mmengine; pip install onedl-mmengine==0.10.12'))
    if coco_wheel and numpy >= (2,):
        what = f'{both("xtcocotools", "numpy")}: the published wheel is built against numpy 1 and does not import'
        problems.append((what, fix_command('xtcocotools', pins, again=True)))
    if torch and torch < (2, 3) and numpy >= (2,):
        problems.append((f'{both("torch", "numpy")}: this torch is built against numpy 1', "pip install 'numpy<2'"))
    if no_ops and at(mmcv):
        what = f'{mmcv} {versions[mmcv]}: it has no compiled ops, and mmpose imports them'
        problems.append((what, fix_command(mmcv, pins, again=True)))
    if at('mmdet') and at('mmdet') <= (3, 3, 0) and at(mmcv) >= (2, 2):
        command = f'pip uninstall -y mmdet; {FLAGS["onedl-mmdetection"]} onedl-mmdetection==3.5.1'
        problems.append((f'{both("mmdet", mmcv)}: it refuses mmcv 2.2 and newer', command))
    if at(pretrain) and at('transformers') >= (5,):
        what = "its VisionTransformer, which MMPose's own ViTPose needs, does not import"
        problems.append((f'{both(pretrain, "transformers")}: {what}', 'pip install transformers==4.53.3'))
    if at('openmim') and at('setuptools') >= (81,):
        what = f'{both("openmim", "setuptools")}: it needs pkg_resources, which setuptools dropped'
        problems.append((what, "pip install 'setuptools<81'"))
    for wrong, why, right in (
        ('onedl-mim', 'it cannot run `mim train mmpose`', 'openmim'),
        ('mmcv-lite', 'it has no compiled ops, and mmpose imports them', 'onedl-mmcv'),
    ):
        if at(wrong):
            problems.append((f'{wrong}: {why}', f'pip uninstall -y {wrong}; {fix_command(right, pins)}'))
    for part in PARTS:
        names = [name for name in part.distributions if name in versions]
        if part.module in FORKED and len(names) > 1:
            what = f'{" and ".join(names)}: both install into the same folder and overwrite each other'
            problems.append((what, f'pip uninstall -y {" ".join(names)}; {fix_command(names[0], pins)}'))
    return problems
