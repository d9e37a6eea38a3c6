import subprocess

from vitpose.doctor import stack

from .tested_stack import GOOD, PINS


def test_stack_is_recognized_by_its_mmcv():
    assert stack.choose_stack(GOOD) == 'tested'
    assert stack.choose_stack({'mmcv': '2.1.0'}) == 'legacy'
    assert stack.read_stack('legacy')['mmcv'] == '2.1.0'


def test_pins_depend_on_the_python_version():
    text = "Foo_bar==1.0; python_version >= '3.11'\nfoo-bar==0.9; python_version < '3.11'\n# no==1\nbaz==2.0\n"
    assert stack.read_pins(text, (3, 12)) == {'foo-bar': '1.0', 'baz': '2.0'}
    assert stack.read_pins(text, (3, 10)) == {'foo-bar': '0.9', 'baz': '2.0'}


def test_mmcv_command_passes_the_c20_option_last(tmp_path):
    command = stack.fix_command('onedl-mmcv', PINS)
    assert command.endswith(f'MMCV_WITH_OPS=1 pip install --no-build-isolation onedl-mmcv=={PINS["onedl-mmcv"]}')
    script = command.replace('exec c++', 'exec echo').replace('pip install', "sh -c '$CXX -std=c++17 x.cpp' --")
    done = subprocess.run(['bash', '-c', script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == '-std=c++17 x.cpp -std=c++20\n'
