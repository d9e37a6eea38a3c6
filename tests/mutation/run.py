r"""Mutation testing: do the unit tests of a folder notice changes of its code?

    python tests/mutation/run.py            # 300 mutants; continues where it was stopped
    python tests/mutation/run.py --again    # those that survived once more, after tests or reasons were added

A copy of the repository gets one mutant at a time, and those of ``tests/unit/FOLDER`` that reach the changed function
run on it up to the first failure. Each run is forked from this process, which has imported torch and MMPose: that takes
ten seconds. Only the mutants are mutmut's: its own runner changes functions alone, not the tables of keys and formats,
puts wrappers around them, and cannot take a sample.
"""

import argparse
import compileall
import gc
import hashlib
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
from collections.abc import Generator
from pathlib import Path

os.environ.update(OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')

import hypothesis  # noqa: F401  imported once, for all runs
import mmdet.apis  # noqa: F401
import mmpose.apis  # noqa: F401
import pytest
import torch._dynamo.testing  # noqa: F401
from coverage import Coverage
from mutants import Mutant, sample
from report import write_report
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ['layers', 'backbones', 'heads', 'estimators', 'losses', 'optim', 'codecs', 'checkpoints']
MEMORY = 16 * 2**30
LONGEST = 1  # CPU seconds of a test
KEPT = ('outcome', 'test', 'cpu')


class Choice:
    """Runs some tests, those of the mutated file first, then short ones; notes how long each took and what failed.

    Args:
        path: of the mutated file.
        tests: seconds by id; None for all.
        lines: told which test runs, if any.
    """

    def __init__(self, path: str, tests: dict[str, float] | None, lines: Coverage | None):
        self.stem, self.tests, self.lines = Path(path).stem, tests, lines
        self.seconds, self.failed = dict[str, float](), ''

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Choose and sort the tests."""
        items[:] = [item for item in items if self.tests is None or item.nodeid in self.tests]
        if self.tests:
            items.sort(key=lambda item: (item.path.stem != f'test_{self.stem}', self.tests[item.nodeid]))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None]:
        """Note the time; of the processor, since other programs may run."""
        if self.lines:
            self.lines.switch_context(item.nodeid)
        start = time.process_time()
        done = yield
        self.seconds[item.nodeid] = round(time.process_time() - start, 2)
        return done

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note the failure."""
        if report.failed:
            self.failed = report.nodeid


def run_tests(copy: Path, path: str, result: Path, most: float, tests: dict[str, float] | None = None) -> dict:
    """Run unit tests of a file's folder in a fork.

    Args:
        copy: the repository with the mutant.
        path: of the mutated file.
        result: file for the results of the fork; its log is beside it.
        most: CPU seconds that it may take.
        tests: seconds by id; None for all, whose lines are noted.

    Returns:
        outcome ('survived', 'killed' or 'time'), test (that failed), cpu, seconds (of each test), and lines: of each
        file of the package, {line: ids of the tests that reach it}.
    """
    result.unlink(missing_ok=True)
    child = os.fork()
    if not child:
        os.setsid()
        os.chdir(copy)
        with open(result.with_suffix('.log'), 'w') as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (int(most), int(most) + 5))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        os.environ['PYTHONPATH'] = sys.path[0] = str(copy)
        result.write_text(json.dumps(run_in_fork(copy, path, tests)))
        os._exit(0)
    deadline = time.monotonic() + 20 * most
    done = 0
    while not done:
        done, _, used = os.wait4(child, os.WNOHANG)
        if not done and time.monotonic() > deadline:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.02)
    try:
        os.killpg(child, signal.SIGKILL)  # what the tests left
    except ProcessLookupError:
        pass
    cpu = round(used.ru_utime + used.ru_stime, 1)
    if not result.exists():
        return dict(outcome='time', test='', cpu=cpu)
    found = json.loads(result.read_text())
    if found['code'] not in (0, 1, 2):  # 2: the tests could not be collected
        log_text = result.with_suffix('.log').read_text()[-2000:]
        raise RuntimeError(f'{tests_of(path)} ended with {found["code"]}: {log_text}')
    return dict(found, outcome='killed' if found['code'] else 'survived', cpu=cpu)


def run_in_fork(copy: Path, path: str, tests: dict[str, float] | None) -> dict:
    """Run the tests, and check that they run on the copy."""
    lines = None if tests else Coverage(data_file=None, config_file=False, include=[str(copy / 'vitpose_mm' / '*')])
    choice = Choice(path, tests, lines)
    files = sorted({test.split('::')[0] for test in tests}) if tests else [tests_of(path)]
    options = ['-x', '-q', '-p', 'no:cacheprovider', '-p', 'no:xdist', '--tb=no', '-m', 'not slow and not install']
    if lines:
        lines.start()
    code = int(pytest.main([*options, f'--basetemp={copy.parent / "temporary"}', *files], plugins=[choice]))
    package = sys.modules.get('vitpose_mm')
    if code == 0 and not (package and Path(str(package.__file__)).is_relative_to(copy)):
        code = 70
    found = dict(code=code, test=choice.failed, seconds=choice.seconds)
    if lines:
        lines.stop()
        data = lines.get_data()
        reached = {str(Path(file).relative_to(copy)): data.contexts_by_lineno(file) for file in data.measured_files()}
        found['lines'] = reached
    return found


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
    columns = TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    sizes = Counter(tests_of(mutant.path) for mutant in mutants)  # small folders first
    todo = sorted(rest(mutants, done), key=lambda mutant: (sizes[tests_of(mutant.path)], mutant.path))
    with Progress(*columns) as progress, open(out / 'results.jsonl', 'a') as results:
        task = progress.add_task('mutants', total=len(mutants), completed=len(mutants) - len(todo))
        for mutant in todo:
            file, run = copy / mutant.path, out / 'run.json'
            progress.update(task, description=mutant.path)
            tests = choose_tests(copy, mutant, out)
            found = dict(outcome='survived', test='', cpu=0)
            if tests:
                original = file.read_text('utf-8')
                file.write_text(mutant.code, 'utf-8')
                found = run_tests(copy, mutant.path, run, 20 + 3 * sum(tests.values()), tests)
                file.write_text(original, 'utf-8')
            done[mutant.key] = dict(key=mutant.key, tests=len(tests), **{name: found[name] for name in KEPT})
            results.write(json.dumps(done[mutant.key]) + '\n')
            results.flush()
            progress.advance(task)


def choose_tests(copy: Path, mutant: Mutant, out: Path) -> dict[str, float]:
    """The tests of the mutant's folder that reach the function that it changes, and their seconds.

    A run of all tests without a mutant finds them; its result is kept as long as the tests stay the same.
    """
    folder = tests_of(mutant.path)
    text = b''.join(file.read_bytes() for file in sorted((copy / folder).glob('*.py')))
    file = out / f'{Path(folder).name}-{hashlib.sha256(text).hexdigest()[:8]}.json'
    if not file.exists():
        found = run_tests(copy, mutant.path, out / 'run.json', 1200)
        if found['outcome'] != 'survived':
            raise SystemExit(f'{folder} fails without a mutant: {found["test"]}, see {out / "run.log"}')
        file.write_text(json.dumps(found))
    found = json.loads(file.read_text())
    short = {test: seconds for test, seconds in found['seconds'].items() if seconds < LONGEST}
    if mutant.lines:
        lines = found['lines'].get(mutant.path, {})
        reached = {test for line in mutant.lines for test in lines.get(str(line), [])}
        short = {test: seconds for test, seconds in short.items() if test in reached}
    return short


def rest(mutants: list[Mutant], done: dict[str, dict]) -> list[Mutant]:
    """Mutants without a result."""
    return [mutant for mutant in mutants if mutant.key not in done]


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--number', type=int, default=300, help='size of the sample (default: 300)')
    parser.add_argument('--seed', type=int, default=0, help='seed of the sample (default: 0)')
    parser.add_argument('--report', action='store_true', help='only write the page from the results so far')
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
    if not options.report:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / 'repository'
            copy_repository(copy)
            gc.freeze()  # otherwise each fork copies the memory of all imported modules when it collects garbage
            test_all(mutants, done, options.out, copy)
    without_reason = write_report(Path(__file__).parent, mutants, total, done, options.seed, LONGEST)
    if without_reason:
        raise SystemExit(f'{without_reason} survivors have no reason in tests/mutation/reasons.yml')


if __name__ == '__main__':
    main()
