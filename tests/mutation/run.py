r"""Mutation testing: do the unit tests of a folder notice changes of its code?

    python tests/mutation/run.py            # 320 mutants; continues where it was stopped
    python tests/mutation/run.py --again    # those that survived once more, after tests or reasons were added

A copy of the repository gets one mutant at a time, and ``tests/unit/FOLDER`` runs on it up to the first failure, the tests
of the same file first. Each run is forked from this process, which has imported torch and MMPose: that takes ten seconds.
mutmut's own runner replaces functions by wrappers, so it mutates neither the tables of keys and formats, nor fits
registries, which read the signatures of classes; here mutmut makes the mutants alone.
"""

import argparse
import compileall
import gc
import json
import os
import py_compile
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

import hypothesis  # noqa: F401  imported once, for all runs
import mmdet.apis  # noqa: F401
import mmpose.apis  # noqa: F401
import pytest
from mutants import Mutant, sample
from report import write_report
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ['layers', 'backbones', 'heads', 'estimators', 'losses', 'optim', 'codecs', 'checkpoints']
MEMORY = 16 * 2**30


class FirstFailure:
    """Runs the tests of the mutated file first and slow tests last; keeps the name of the test that failed."""

    def __init__(self, path: str):
        self.stem, self.failed = Path(path).stem, ''

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort the tests."""
        mentions = {file: self.stem in file.read_text('utf-8') for file in {item.path for item in items}}

        def order(item: pytest.Item) -> tuple[bool, bool, bool]:
            slow = item.get_closest_marker('slow') is not None
            return slow, item.path.stem != f'test_{self.stem}', not mentions[item.path]

        items.sort(key=order)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the failure."""
        if report.failed:
            self.failed = report.nodeid


def run_tests(copy: Path, path: str, seconds: float, result: Path) -> tuple[str, str, float]:
    """Run the unit tests of a file's folder in a fork: 'survived', 'killed' or 'time'; the test; CPU seconds."""
    result.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(copy)
        with open(result.with_suffix('.log'), 'w') as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ['PYTHONPATH'] = str(copy)
        sys.path[0] = str(copy)
        first = FirstFailure(path)
        options = ['-x', '-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', '-m', 'not install']
        code = pytest.main([*options, f'--basetemp={copy.parent / "temporary"}', tests_of(path)], plugins=[first])
        package = sys.modules.get('vitpose_mm')
        if code == 0 and not (package and Path(str(package.__file__)).is_relative_to(copy)):
            code = 70  # the tests ran on another copy of the package
        result.write_text(json.dumps(dict(code=int(code), failed=first.failed)))
        os._exit(0)
    deadline = time.monotonic() + 8 * seconds
    done = 0
    while not done:
        done, _, used = os.wait4(child, os.WNOHANG)
        if not done and time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.05)
    try:
        os.killpg(child, signal.SIGKILL)  # what the tests left
    except ProcessLookupError:
        pass
    cpu = used.ru_utime + used.ru_stime
    if not result.exists():
        return 'time', '', cpu
    found = json.loads(result.read_text())
    if found['code'] not in (0, 1, 2):  # 2: the tests could not be collected
        raise RuntimeError(f'{tests_of(path)} ended with {found["code"]}: {result.with_suffix(".log").read_text()[-2000:]}')
    return ('killed' if found['code'] else 'survived'), found['failed'], cpu


def tests_of(path: str) -> str:
    """The unit tests of a file's folder."""
    return f'tests/unit/{Path(path).parent.name}'


def copy_repository(target: Path) -> None:
    """Copy the files that git knows or would add."""
    names = subprocess.run(
        ['git', 'ls-files', '-co', '--exclude-standard', '-z'], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, names.stdout.split('\0')):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    # with a hash of the source instead of its time, which can be the same for two mutants
    checked = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(target / 'vitpose_mm', quiet=2, invalidation_mode=checked)


def test_all(mutants: list[Mutant], done: dict[str, dict], out: Path, copy: Path) -> None:
    """Run the tests on each mutant that has no result yet; append each result to ``results.jsonl``."""
    limits: dict[str, float] = {}
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns) as progress, open(out / 'results.jsonl', 'a') as results:
        task = progress.add_task('mutants', total=len(mutants), completed=len(mutants) - len(rest(mutants, done)))
        for mutant in sorted(rest(mutants, done), key=lambda mutant: mutant.path):
            tests, file = tests_of(mutant.path), copy / mutant.path
            if tests not in limits:
                progress.update(task, description=f'{tests}, unchanged')
                outcome, failed, cpu = run_tests(copy, mutant.path, 1200, out / 'run.json')
                if outcome != 'survived':
                    raise SystemExit(f'{tests} fails without a mutant: {failed or outcome}, see {out / "run.log"}')
                limits[tests] = 30 + 3 * cpu
            original = file.read_text('utf-8')
            file.write_text(mutant.code, 'utf-8')
            progress.update(task, description=f'{mutant.path}:{mutant.line}')
            outcome, failed, cpu = run_tests(copy, mutant.path, limits[tests], out / 'run.json')
            file.write_text(original, 'utf-8')
            done[mutant.key] = dict(key=mutant.key, outcome=outcome, test=failed, cpu=round(cpu, 1))
            results.write(json.dumps(done[mutant.key]) + '\n')
            results.flush()
            progress.advance(task)


def rest(mutants: list[Mutant], done: dict[str, dict]) -> list[Mutant]:
    """Mutants without a result."""
    return [mutant for mutant in mutants if mutant.key not in done]


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--number', type=int, default=320, help='size of the sample (default: 320)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the sample (default: 0)')
    parser.add_argument('--again', action='store_true', help='run the mutants that survived once more')
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs' / 'mutants', help='default: work_dirs/mutants')
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    print('making mutants ...')
    mutants, total = sample(ROOT, FOLDERS, options.number, options.seed)
    file = options.out / 'results.jsonl'
    done = {}
    if file.exists():
        done = {result['key']: result for result in map(json.loads, file.read_text().splitlines())}
    if options.again:
        done = {key: result for key, result in done.items() if result['outcome'] != 'survived'}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / 'repository'
        copy_repository(copy)
        gc.freeze()  # otherwise each fork copies the memory of all imported modules when it collects garbage
        test_all(mutants, done, options.out, copy)
    without_reason = write_report(Path(__file__).parent, mutants, Counter(total), done, options.seed)
    if without_reason:
        raise SystemExit(f'{without_reason} survivors have no reason in tests/mutation/reasons.yml')


if __name__ == '__main__':
    main()
