"""The Makefile, checked with dry runs."""

import subprocess


def make(root, *arguments):
    return subprocess.run(['make', '-n', *arguments], cwd=root, capture_output=True, text=True)


def test_studies_require_photographs_before_anything_is_installed(root):
    done = make(root, 'studies', 'DATA=')
    assert done.returncode == 2 and 'make studies DATA=FOLDER' in done.stderr
    assert done.stdout == ''
    assert 'memorise.py --data photographs --out' in make(root, 'studies', 'DATA=photographs').stdout
