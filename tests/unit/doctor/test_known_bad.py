from vitpose.doctor import stack
from vitpose.doctor.known_bad import find_known_bad, lacks_ops

from .tested_stack import GOOD, PINS


def test_combinations():
    for changes, wheel, words in (
        ({'mmengine': '0.10.7'}, False, ['mmengine 0.10.7 with torch 2.14.1', 'resumed']),
        ({}, True, ['xtcocotools 1.14.3 with numpy 2.2.6', '--no-binary xtcocotools']),
        ({'mmdet': '3.3.0'}, False, ['mmdet 3.3.0 with onedl-mmcv 2.3.6', 'refuses']),
        ({'transformers': '5.23.0'}, False, ['onedl-mmpretrain 1.3.6 with transformers 5.23.0', '4.53.3']),
        ({'setuptools': '82.0'}, False, ['openmim 0.3.9 with setuptools 82.0', "'setuptools<81'"]),
        ({'torch': '2.1.2'}, False, ['torch 2.1.2 with numpy 2.2.6', "'numpy<2'"]),
        ({'onedl-mim': '0.4.0'}, False, ['onedl-mim', 'openmim==0.3.9']),
        ({'mmcv-lite': '2.1.0'}, False, ['mmcv-lite', 'no compiled ops']),
        ({'mmcv': '2.1.0'}, False, ['onedl-mmcv and mmcv', 'pip uninstall -y onedl-mmcv mmcv']),
        # these work
        ({}, False, []),
        ({'numpy': '1.26.4'}, True, []),
        ({'transformers': '4.57.6'}, False, []),
        ({'transformers': '5.0.0', 'onedl-mmpretrain': ''}, False, []),
    ):
        versions = {name: version for name, version in {**GOOD, **changes}.items() if version}
        lines = [' '.join(problem) for problem in find_known_bad(versions, PINS, wheel, no_ops=False)]
        assert any(all(word in line for word in words) for line in lines) if words else lines == [], changes


def test_legacy_stack_and_mmcv_without_ops():
    legacy = stack.read_stack('legacy')
    assert list(find_known_bad(legacy, legacy, coco_wheel=True, no_ops=False)) == []
    ((what, fix),) = find_known_bad(GOOD, PINS, coco_wheel=False, no_ops=True)
    assert 'no compiled ops' in what and 'MMCV_WITH_OPS=1' in fix and '--force-reinstall' in fix
    assert not lacks_ops()  # this environment
