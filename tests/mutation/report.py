"""The page of the mutation tests: counts per folder, and each survivor with its reason."""

from collections import Counter
from pathlib import Path

import yaml
from mutants import Mutant

HEAD = """# Mutation tests

Do the unit tests notice changes of the code? `make mutants` takes a random sample of the changes that
[mutmut](https://mutmut.readthedocs.io) makes (seed {seed}): another operator, number, text or argument, but not the
text of an error, an annotation or a function with a decorator. On each, it runs the tests of `tests/unit/FOLDER` that
reach the changed function, except those marked `slow` and those of more than {longest} s of CPU time.
[run.py](run.py) writes this page; the reasons stand in [reasons.yml](reasons.yml).

| folder | possible mutants | sample | tried | killed | survived | killed, % |
|---|---|---|---|---|---|---|
"""
LIST = """
Killed mutants include {time} that the time limit ended. The survivors:

| mutant | line | reason |
|---|---|---|
"""


def write_report(
    folder: Path, mutants: list[Mutant], total: Counter[str], results: dict[str, dict], seed: int, longest: int
) -> int:
    """Write ``README.md`` and return the number of survivors without a reason."""
    reasons = yaml.safe_load((folder / 'reasons.yml').read_text('utf-8')) or {}
    tried = [mutant for mutant in mutants if mutant.key in results]
    survivors = [mutant for mutant in tried if results[mutant.key]['outcome'] == 'survived']
    columns = [total, *(Counter(map(folder_of, some)) for some in (mutants, tried, survivors))]
    text = HEAD.format(seed=seed, longest=longest)
    for name in [*total, 'all']:
        possible, chosen, done, left = (c.total() if name == 'all' else c[name] for c in columns)
        share = f'{100 * (1 - left / done):.1f}' if done else ''
        text += f'| {name} | {possible} | {chosen} | {done} | {done - left} | {left} | {share} |\n'
    text += LIST.format(time=sum(results[mutant.key]['outcome'] == 'time' for mutant in tried))
    for mutant in sorted(survivors, key=lambda mutant: (mutant.path, mutant.change)):
        where = f'[{mutant.path.removeprefix("vitpose_mm/")}](../../{mutant.path})'
        _, before, after = mutant.change
        change = f'`{cell(before)}` → `{cell(after)}`'
        text += f'| {mutant.key} | {where}: {change} | {reasons.get(mutant.key, "")} |\n'
    (folder / 'README.md').write_text(text, 'utf-8')
    return sum(mutant.key not in reasons for mutant in survivors)


def folder_of(mutant: Mutant) -> str:
    """The folder of the package."""
    return Path(mutant.path).parent.name


def cell(code: str) -> str:
    """Code as it can stand in a table."""
    return code.replace('|', '\\|')
