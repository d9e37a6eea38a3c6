import subprocess


def make(root, *words):
    return subprocess.run(['make', '-n', *words], cwd=root, capture_output=True, text=True)


def test_studies_require_photographs_before_anything_is_installed(root):
    done = make(root, 'studies', 'DATA=')
    assert done.returncode == 2 and 'make studies DATA=FOLDER' in done.stderr and done.stdout == ''
    assert 'memorize.py --data photographs --out' in make(root, 'studies', 'DATA=photographs').stdout


def test_long_tests_run_in_make_long_alone(root):
    marked = {name: make(root, name).stdout.split(' -m pytest ')[1] for name in ('check', 'test', 'compat', 'long')}
    assert "-m 'not slow and not install and not long' projects tests" in marked['check']
    assert all("-m 'not long' " in marked[name] for name in ('test', 'compat'))
    assert '-m long projects tests' in marked['long'] and 'make long' in make(root, 'help').stdout
