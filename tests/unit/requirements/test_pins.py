"""The files of pins: exact, one version for each Python, and true for the environment we are in."""

import re
import sys
import sysconfig
from importlib import metadata

import pytest
from pins import STACKS, read_sections

SECTIONS = {'tools', 'torch', 'libraries', 'mmcv', 'openmmlab', 'peers', 'pinned'}


def canonical(name):
    return re.sub(r'[-_.]+', '-', name).lower()


def pins_of(stack, root, python=None):
    """``{name: version}`` of a stack for one Python; fails where a name is pinned twice."""
    from packaging.requirements import Requirement

    found = {}
    sections = read_sections(root / 'requirements' / name for name in STACKS[stack].files)
    for line in (line for lines in sections.values() for line in lines):
        wanted = Requirement(line)
        if wanted.marker is None or wanted.marker.evaluate({'python_version': python}):
            name = canonical(wanted.name)
            assert name not in found, f'{name} has two pins for Python {python}'
            found[name] = str(wanted.specifier).removeprefix('==')
    return found


@pytest.mark.parametrize('stack', STACKS)
def test_every_section_is_there(stack, root):
    sections = read_sections(root / 'requirements' / name for name in STACKS[stack].files)
    assert sections.keys() == SECTIONS
    assert len(sections['mmcv']) == 1  # the installer builds this one


@pytest.mark.parametrize(('stack', 'python'), [(s, p) for s in STACKS for p in STACKS[s].pythons])
def test_one_version_for_each_python(stack, python, root):
    pins = pins_of(stack, root, python)
    assert {'torch', 'numpy', 'mmpose', 'setuptools', 'transformers'} <= pins.keys()


@pytest.mark.parametrize('line', ['numpy', 'numpy>=2', 'numpy==2.*', '-r other.txt', 'numpy == 2.0'])
def test_what_is_not_exact_is_refused(tmp_path, line):
    path = tmp_path / 'wrong.txt'
    path.write_text(f'# [tools]\nnumpy==2.0\n{line}\n')
    with pytest.raises(ValueError, match=re.escape(repr(line))):
        read_sections([path])


def test_what_is_in_no_section_is_refused(tmp_path):
    path = tmp_path / 'wrong.txt'
    path.write_text('# a comment\nnumpy==2.0\n')
    with pytest.raises(ValueError, match='section'):
        read_sections([path])


def test_the_environment_is_the_pinned_one(root):
    """In .venv and .venv-legacy alone: what is pinned has that version, and so has all that it pulls in."""
    from packaging.requirements import Requirement

    stack = next((s for s in STACKS if str(root / STACKS[s].venv) == sys.prefix), None)
    if stack is None:
        pytest.skip(f'this Python ({sys.prefix}) is none of {[s.venv for s in STACKS.values()]}')
    pins = pins_of(stack, root, '{}.{}'.format(*sys.version_info))
    there = {canonical(d.name): d for d in metadata.distributions(path=[sysconfig.get_path('purelib')])}
    todo, seen = list(pins), set()
    while todo:
        name = todo.pop()
        if name in there and name not in seen:
            seen.add(name)
            wanted = map(Requirement, there[name].requires or ())
            todo += [canonical(w.name) for w in wanted if w.marker is None or w.marker.evaluate({'extra': ''})]
    assert {'torch', 'mmpose', 'sympy'} <= seen
    versions = {name: there[name].version.split('+')[0] for name in seen}
    assert {n: (v, pins.get(n)) for n, v in versions.items() if v != pins.get(n)} == {}
