"""Steps run once, resume, and fail in a few lines with a way out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import steps
from steps import Step, StepFailedError, digest, human, run_logged, run_steps


def step(name, inputs=('a',), fails=(), ran=None):
    """A step that notes its name in ``ran``, and fails while it is in ``fails``."""

    def action(log):
        if ran is not None:
            ran.append(name)
        if name in fails:
            raise StepFailedError('it broke')

    return Step(name, f'the {name}', '1 s', inputs, action)


def python(code):
    return [sys.executable, '-c', code]


def test_a_second_run_does_nothing(tmp_path):
    ran = []
    todo = [step('one', ran=ran), step('two', ran=ran)]
    assert run_steps(todo, tmp_path) == 2
    assert run_steps(todo, tmp_path) == 0
    assert ran == ['one', 'two']


def test_other_inputs_run_that_step_again(tmp_path):
    ran = []
    run_steps([step('one', ran=ran), step('two', ran=ran)], tmp_path)
    run_steps([step('one', ran=ran), step('two', ('b',), ran=ran)], tmp_path)
    assert ran == ['one', 'two', 'two']


def test_an_interrupted_run_resumes_at_the_step_that_failed(tmp_path):
    ran, fails = [], ['two']
    todo = [step(name, fails=fails, ran=ran) for name in ('one', 'two', 'three')]
    with pytest.raises(StepFailedError):
        run_steps(todo, tmp_path)
    fails.clear()
    run_steps(todo, tmp_path)
    assert ran == ['one', 'two', 'two', 'three']


def test_a_step_that_fails_when_run_again_loses_its_stamp(tmp_path):
    run_steps([step('one')], tmp_path)
    with pytest.raises(StepFailedError):
        run_steps([step('one', ('b',), fails=['one'])], tmp_path)
    assert run_steps([step('one')], tmp_path) == 1


def test_digests_tell_where_a_string_ends():
    assert digest(['ab', 'c']) != digest(['a', 'bc'])
    assert digest(['a']) == digest(('a',))


def test_each_step_says_what_it_does_how_long_it_takes_and_took(tmp_path, capsys):
    run_steps([step('one'), step('two')], tmp_path)
    said = capsys.readouterr().out
    assert '[1/2] the one (usually 1 s)' in said
    assert said.count('done in 0 s') == 2


def test_a_failing_command_shows_its_last_lines_and_the_way_out(tmp_path):
    code = 'for i in range(300): print("line", i)\nraise SystemExit(3)'
    failing = Step('build', 'the build', '1 s', (), lambda log: run_logged(python(code), log))
    with pytest.raises(StepFailedError) as error:
        run_steps([failing], tmp_path)
    said = str(error.value)
    assert 'FAILED after' in said and 'the build' in said and 'code 3' in said
    assert 'line 299' in said and 'line 280' in said and 'line 279' not in said
    assert str(tmp_path / 'build.log') in said
    assert 'run the same command again' in said
    assert len(said.splitlines()) < 32


def test_the_compilers_own_error_is_shown_above_the_tail(tmp_path):
    code = 'print("x.cpp:3: err" + "or: no C++20 here")\nfor i in range(90): print(i)\nraise SystemExit(1)'
    failing = Step('build', 'the build', '1 s', (), lambda log: run_logged(python(code), log))
    with pytest.raises(StepFailedError, match='x.cpp:3: error: no C'):
        run_steps([failing], tmp_path)


@pytest.mark.parametrize(
    ('line', 'hint'),
    [
        ('ERROR: No matching distribution found for torch==2.14.1', 'check the network'),
        ('OSError: [Errno 28] No space left on device', 'Free some disk space'),
        ("g++: error: unrecognized command-line option '-std=c++20'", 'install g\\+\\+ 10'),
        ('fatal error: Python.h: No such file or directory', "Install Python's headers"),
        ('g++: fatal error: Killed signal terminated program cc1plus', 'MAX_JOBS=1'),
        ("error: [Errno 2] No such file or directory: 'g++' not found", 'Install a C\\+\\+ compiler'),
    ],
)
def test_known_failures_get_their_own_advice(tmp_path, line, hint):
    code = f'import sys; print({line!r}); sys.exit(1)'
    failing = Step('build', 'the build', '1 s', (), lambda log: run_logged(python(code), log))
    with pytest.raises(StepFailedError, match=hint):
        run_steps([failing], tmp_path)


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StepFailedError, match='cannot start no-such-program'):
        run_logged(['no-such-program'], tmp_path / 'log')


def test_a_command_gets_no_stdin(tmp_path):
    code = (
        'import pathlib, sys, steps\n'
        "command = [sys.executable, '-c', 'import sys; assert sys.stdin.read() == str()']\n"
        "steps.run_logged(command, pathlib.Path('log'))"
    )
    env = {**os.environ, 'PYTHONPATH': str(Path(steps.__file__).parent)}
    subprocess.run(python(code), input=b'typed', cwd=tmp_path, env=env, check=True)


def test_long_commands_say_that_they_go_on_and_how_far_they_are(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(steps, 'HEARTBEAT', 0.3)
    run_logged(python('import time; print("[7/78] c++ x", flush=True); time.sleep(0.8)'), tmp_path / 'log')
    assert ', 7 of 78 files' in capsys.readouterr().out


@pytest.mark.parametrize(('seconds', 'text'), [(3.6, '4 s'), (59.4, '59 s'), (125, '2 min 5 s')])
def test_durations_read_well(seconds, text):
    assert human(seconds) == text
