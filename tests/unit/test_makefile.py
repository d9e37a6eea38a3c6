"""The Makefile, as far as it can be read without running it."""

import subprocess


def make(root, *words):
    return subprocess.run(['make', '-n', *words], cwd=root, capture_output=True, text=True)


def test_studies_ask_for_their_photographs_before_anything_is_installed(root):
    done = make(root, 'studies', 'DATA=')
    assert done.returncode == 2 and 'make studies DATA=FOLDER' in done.stderr
    assert done.stdout == ''
    assert 'memorise.py --data photographs --out' in make(root, 'studies', 'DATA=photographs').stdout
