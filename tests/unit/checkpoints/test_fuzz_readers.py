"""Mutated checkpoints for the readers: no crash, no hang, no code run.

The environment variable FUZZ_FILES sets the number of files of `make long`.
"""

import io
import json
import os
import time

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.checkpoints.tiny_vits import Canary
from vitpose_mm.checkpoints.model_parts import split_parts
from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint

LIMIT = 1.0  # seconds of processor time per file
EDGES = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]
OPCODES = [bytes([code]) for code in b'Rb(.02\x85\x86t}usaejr\x8a']


def weights() -> dict[str, torch.Tensor]:
    """A tiny model in transformers' names, with experts: all parts of the readers see it."""
    shapes = {'embeddings.patch_embeddings.projection.weight': (4, 3, 2, 2), 'layernorm.weight': (4,)}
    shapes |= {'embeddings.position_embeddings': (1, 13, 4), 'layernorm.bias': (4,)}
    block = {f'layernorm_{name}.weight': (4,) for name in ('before', 'after')}
    block |= {f'attention.attention.{name}.weight': (4, 4) for name in ('query', 'key', 'value')}
    block |= {'mlp.fc1.weight': (8, 4), 'mlp.fc2.weight': (3, 8)}
    for number in range(2):
        block |= {f'mlp.experts.{number}.weight': (1, 8), f'mlp.experts.{number}.bias': (1,)}
    shapes |= {f'encoder.layer.0.{name}': shape for name, shape in block.items()}
    named = {f'backbone.{key}': torch.ones(shape) for key, shape in shapes.items()}
    return named | {'head.conv.weight': torch.ones(2, 4, 3, 3), 'head.conv.bias': torch.ones(2)}


def originals(canary) -> list[tuple[str, bytes, dict[str, bytes]]]:
    """Whole files: the name of the one that is mutated, its bytes, and the files beside it."""
    files: list[tuple[str, bytes, dict[str, bytes]]] = []
    for zipped in (True, False):
        for content in (
            dict(state_dict=weights(), meta=dict(epoch=1, names=['a'], cfg="experts=dict(names=['a', 'b'])")),
            dict(state_dict=weights(), meta=Canary(canary)),
            dict(weights(), attack=Canary(canary)),
        ):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
            files.append(('a.pth', buffer.getvalue(), {}))
    try:
        from safetensors.torch import save
    except ImportError:
        return files
    whole = save(weights(), metadata={'format': 'pt', 'vitpose_mm': json.dumps(dict(grid=[4, 3], experts=['a', 'b']))})
    config = json.dumps(dict(backbone_config=dict(image_size=[64, 48], patch_size=[16, 16]))).encode()
    name = 'model.safetensors'
    return [
        *files,
        ('a.safetensors', whole, {}),
        (name, whole, {'config.json': config}),
        ('config.json', config, {name: whole}),
        ('model-1-of-1.safetensors', whole, {'model.safetensors.index.json': b'{}'}),
    ]


def edit(removed: st.SearchStrategy, inserted: st.SearchStrategy) -> st.SearchStrategy:
    """A change at a relative position: the number of bytes to remove, and what to insert (None: them, twice)."""
    return st.tuples(st.floats(0, 1), removed, inserted)


def number(size: int) -> st.SearchStrategy:
    return edit(st.just(size), st.sampled_from([(value % 256**size).to_bytes(size, 'little') for value in EDGES]))


CHANGES = st.one_of(
    edit(st.just(1), st.binary(min_size=1, max_size=1)),
    st.sampled_from([1, 2, 4, 8]).flatmap(number),
    edit(st.integers(1, 64), st.just(b'')),
    edit(st.integers(1, 64), st.none()),
    edit(st.just(0), st.lists(st.sampled_from(OPCODES), min_size=1, max_size=8).map(b''.join)),
    edit(st.just(2**40), st.just(b'')),  # the rest
)
MUTATIONS = st.tuples(st.integers(0, 999), st.lists(CHANGES, min_size=1, max_size=4))


def mutate(data: bytes, changes: list) -> bytes:
    for where, removed, inserted in changes:
        at = int(where * len(data))
        part = data[at : at + removed]
        data = data[:at] + (part * 2 if inserted is None else inserted) + data[at + removed :]
    return data


def read(folder, name: str, data: bytes, beside: dict[str, bytes]) -> bool:
    """Read a mutated file as `vitpose inspect` does; True if it was accepted, False if refused in one line."""
    for path in folder.iterdir():
        path.unlink()
    for other, content in {**beside, name: data}.items():
        (folder / other).write_bytes(content)
    for _ in range(2):  # again if it took too long: the garbage collector may have run
        start = time.process_time()
        accepted = is_accepted(folder if beside else folder / name)
        took = time.process_time() - start
        if took < LIMIT:
            return accepted
    raise AssertionError(f'{took:.1f} s')


def is_accepted(place) -> bool:
    try:
        loaded = load_checkpoint(place)
        find_non_finite_weights(loaded.weights)
        split_parts(loaded.weights, loaded.meta, drop_unused=True, log=str, keep_tokens=True)
    except (ValueError, FileNotFoundError) as problem:
        assert '\n' not in str(problem) and len(str(problem)) < 2000, str(problem)[:3000]
        return False
    return True


LONG = pytest.param(int(os.environ.get('FUZZ_FILES', 5000)), marks=pytest.mark.long)


@pytest.mark.slow
@pytest.mark.parametrize('files', [400, LONG])
def test_mutated_files_are_read_or_refused(tmp_path, files):
    canary, place, counts = tmp_path / 'canary', tmp_path / 'files', [0, 0]
    place.mkdir()
    whole = originals(canary)

    @settings(max_examples=files, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(MUTATIONS)
    def run(mutation: tuple) -> None:
        number, changes = mutation
        name, data, beside = whole[number % len(whole)]
        counts[read(place, name, mutate(data, changes), beside)] += 1
        assert not canary.exists(), 'code of a file ran'

    run()
    refused, accepted = counts
    assert accepted > 2 and refused > 100  # about 15 are accepted


def test_whole_files_are_accepted_and_their_code_is_not_run_unless_torch_runs_it(tmp_path):
    whole = originals(tmp_path / 'canary')
    (tmp_path / 'files').mkdir()
    accepted = [read(tmp_path / 'files', *original) for original in whole]
    assert accepted == [True, False, False, True, False, False, *[True] * (len(whole) - 6)]
    assert not (tmp_path / 'canary').exists()
    torch.load(io.BytesIO(whole[1][1]), weights_only=False)
    assert (tmp_path / 'canary').exists()
