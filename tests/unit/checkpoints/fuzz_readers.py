"""Mutated checkpoints for the readers: no crash, no hang, no code run.

The test suite reads a few hundred files. Many more, from the root folder of the repository:
  PYTHONPATH=. python tests/unit/checkpoints/fuzz_readers.py --files 100000
"""

import argparse
import gc
import io
import json
import os
import tempfile
import time
from pathlib import Path

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vitpose_mm.checkpoints.model_parts import split_parts
from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint

LIMIT = 1.0  # seconds of processor time per file
EDGES = [0, 1, 2, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1]
OPCODES = [bytes([code]) for code in b'Rb(.02\x85\x86t}usaejr\x8a']


class Attack:
    """Creates a file when it is unpickled."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f'touch {self.canary}',)


def weights() -> dict[str, torch.Tensor]:
    """A tiny model in transformers' names, with experts: all parts of the readers see it."""
    shapes = {
        'embeddings.patch_embeddings.projection.weight': (4, 3, 2, 2),
        'embeddings.position_embeddings': (1, 13, 4),
        'layernorm.weight': (4,),
        'layernorm.bias': (4,),
    }
    for name in ('layernorm_before', 'layernorm_after'):
        shapes[f'encoder.layer.0.{name}.weight'] = (4,)
    for name in ('query', 'key', 'value'):
        shapes[f'encoder.layer.0.attention.attention.{name}.weight'] = (4, 4)
    shapes |= {'encoder.layer.0.mlp.fc1.weight': (8, 4), 'encoder.layer.0.mlp.fc2.weight': (3, 8)}
    shapes |= {f'encoder.layer.0.mlp.experts.{number}.weight': (1, 8) for number in range(2)}
    shapes |= {f'encoder.layer.0.mlp.experts.{number}.bias': (1,) for number in range(2)}
    named = {f'backbone.{key}': torch.ones(shape) for key, shape in shapes.items()}
    return named | {'head.conv.weight': torch.ones(2, 4, 3, 3), 'head.conv.bias': torch.ones(2)}


def originals(canary: Path) -> list[tuple[str, bytes, dict[str, bytes]]]:
    """Whole files: the name of the one that is mutated, its bytes, and the files beside it."""
    found: list[tuple[str, bytes, dict[str, bytes]]] = []
    for zipped in (True, False):
        for content in (
            dict(state_dict=weights(), meta=dict(epoch=1, names=['a'], cfg="experts=dict(names=['a', 'b'])")),
            dict(state_dict=weights(), meta=Attack(canary)),
            dict(weights(), attack=Attack(canary)),
        ):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=zipped)
            found.append(('a.pth', buffer.getvalue(), {}))
    try:
        from safetensors.torch import save
    except ImportError:
        return found
    whole = save(weights(), metadata={'format': 'pt', 'vitpose_mm': json.dumps(dict(grid=[4, 3], experts=['a', 'b']))})
    config = json.dumps(dict(backbone_config=dict(image_size=[64, 48], patch_size=[16, 16]))).encode()
    name = 'model.safetensors'
    return [
        *found,
        ('a.safetensors', whole, {}),
        (name, whole, {'config.json': config}),
        ('config.json', config, {name: whole}),
        ('model-1-of-1.safetensors', whole, {'model.safetensors.index.json': b'{}'}),
    ]


CHANGES = st.one_of(
    st.tuples(st.just('byte'), st.floats(0, 1), st.integers(0, 255)),
    st.tuples(st.just('number'), st.floats(0, 1), st.tuples(st.sampled_from(EDGES), st.sampled_from([1, 2, 4, 8]))),
    st.tuples(st.just('cut'), st.floats(0, 1), st.integers(1, 64)),
    st.tuples(st.just('repeat'), st.floats(0, 1), st.integers(1, 64)),
    st.tuples(st.just('insert'), st.floats(0, 1), st.lists(st.sampled_from(OPCODES), min_size=1, max_size=8)),
    st.tuples(st.just('end'), st.floats(0, 1), st.just(0)),
)
MUTATIONS = st.tuples(st.integers(0, 999), st.lists(CHANGES, min_size=1, max_size=4))


def mutate(data: bytes, changes: list) -> bytes:
    """Apply changes, each at a relative position."""
    for kind, where, value in changes:
        at = int(where * len(data))
        if kind == 'byte':
            data = data[:at] + bytes([value]) + data[at + 1 :]
        elif kind == 'number':
            number, size = value
            data = data[:at] + (number % 256**size).to_bytes(size, 'little') + data[at + size :]
        elif kind == 'cut':
            data = data[:at] + data[at + value :]
        elif kind == 'repeat':
            data = data[:at] + data[at : at + value] * 2 + data[at + value :]
        elif kind == 'insert':
            data = data[:at] + b''.join(value) + data[at:]
        else:
            data = data[:at]
    return data


def read(folder: Path, name: str, data: bytes, beside: dict[str, bytes]) -> bool:
    """Read a mutated file as `vitpose inspect` does; True if it was accepted, False if refused in one line."""
    for path in folder.iterdir():
        path.unlink()
    for other, content in {**beside, name: data}.items():
        (folder / other).write_bytes(content)
    place = folder if beside else folder / name
    start = time.process_time()
    accepted = _accepted(place)
    took = time.process_time() - start
    if took > LIMIT:  # the garbage collector may have run
        start = time.process_time()
        _accepted(place)
        took = time.process_time() - start
    assert took < LIMIT, f'{took:.1f} s'
    return accepted


def _accepted(place: Path) -> bool:
    try:
        loaded = load_checkpoint(place)
        find_non_finite_weights(loaded.weights)
        split_parts(loaded.weights, loaded.meta, drop_unused=True, log=str, keep_tokens=True)
    except (ValueError, FileNotFoundError) as problem:
        assert '\n' not in str(problem) and len(str(problem)) < 2000, str(problem)[:3000]
        return False
    return True


def fuzz(folder: Path, files: int) -> tuple[int, int]:
    """Read mutated files; raises for the first that crashes a reader, takes too long or runs code.

    Returns:
        The numbers of accepted and of refused files.
    """
    canary = folder / 'canary'
    place = folder / 'files'
    place.mkdir()
    whole = originals(canary)
    counts = [0, 0]

    @settings(max_examples=files, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(MUTATIONS)
    def run(mutation: tuple) -> None:
        number, changes = mutation
        name, data, beside = whole[number % len(whole)]
        counts[read(place, name, mutate(data, changes), beside)] += 1
        assert not canary.exists(), 'code of a file ran'
        if sum(counts) % 10_000 == 0:
            print(f'{sum(counts)} files', flush=True)

    run()
    return counts[True], counts[False]


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--files', type=int, default=100_000)
    files = parser.parse_args().files
    gc.freeze()  # else collections take longer than the files
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        accepted, refused = fuzz(Path(folder), files)
    seconds = time.perf_counter() - start
    print(f'{accepted + refused} files: {accepted} accepted, {refused} refused, {seconds:.0f} s; no crash, no code ran')
