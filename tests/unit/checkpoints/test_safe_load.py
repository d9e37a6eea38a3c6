"""Untrusted checkpoint files: only tensors are read, and no code in the file runs."""

import json
import pickle
import stat
import sys
import tarfile
import threading
from collections import OrderedDict
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from tests.unit.checkpoints.tiny_vits import Canary, is_same
from vitpose.cli.main import main
from vitpose_mm.checkpoints.mmengine_loading import RESUME_SCHEME, SAFE_SCHEME, use_safe_loader
from vitpose_mm.checkpoints.safe_load import find_non_finite_weights, load_checkpoint, load_weights
from vitpose_mm.checkpoints.safe_unpickler import SAFE_TORCH

WEIGHTS = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.ones(2, dtype=torch.bfloat16))
HUB = dict(log_scalars=OrderedDict(loss=HistoryBuffer([1.0, 2.0], [1, 1])), runtime_info=OrderedDict())


class Script(torch.nn.Module):
    """A TorchScript module that writes a file when torch.jit.load loads it."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x

    @torch.jit.export
    def __getstate__(self):
        return self.weight, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[torch.Tensor, bool]):
        self.weight, self.training = state[0], state[1]
        torch.save(self.weight, 'it_ran')


@pytest.fixture
def proof(tmp_path):
    """A file that code in a checkpoint would create."""
    return tmp_path / 'it_ran'


@pytest.fixture
def file(tmp_path):
    return tmp_path / 'bad.pth'


def load_as_mmengine(address):
    return CheckpointLoader.load_checkpoint(str(address), 'cpu')['state_dict']


def write_json(path, content):
    path.write_text(json.dumps(content))


def test_a_checkpoint_of_mmengine_loads_with_what_is_beside_the_weights(file):
    meta = dict(epoch=1, seed=np.int64(3), classes={'a', 'b'}, cfg='x = 1')
    optimizer = dict(state={0: dict(step=torch.tensor(1.0))}, param_groups=[dict(lr=np.float64(0.1), params=[0])])
    torch.save(dict(meta=meta, state_dict=WEIGHTS, message_hub=HUB, optimizer=optimizer), file)
    loaded = load_checkpoint(file)
    assert loaded.meta == meta and loaded.container == 'torch, weights under state_dict'
    assert is_same(loaded.weights, WEIGHTS)


@pytest.mark.skipif(not SAFE_TORCH, reason='MMEngine reads with weights_only from torch 2.6 on')
def test_mmengine_reads_our_arrays_with_weights_only(file, capsys):
    """As MMPose's `init_model` does."""
    meta = dict(keypoint_colors=np.zeros((17, 3), np.uint8), sigmas=np.ones(17, np.float32))
    torch.save(dict(meta=dict(dataset_meta=meta), state_dict=WEIGHTS, message_hub=HUB), file)
    assert is_same(load_as_mmengine(file), WEIGHTS)
    assert 'Could not safely load weights' not in capsys.readouterr().out


def test_layer_versions_are_kept(file):
    layer = torch.nn.BatchNorm2d(2)
    torch.save(layer.state_dict(), file)
    assert load_weights(file)._metadata == layer.state_dict()._metadata


def test_a_bare_pickle_is_not_run(file, proof):
    file.write_bytes(pickle.dumps(Canary(proof)))
    with pytest.raises(ValueError, match='holds (posix|nt).system, so reading it could|cannot be read as a checkpoint'):
        load_weights(file)
    assert not proof.exists()


def test_torchscript_is_not_run(file, proof, monkeypatch, capsys):
    monkeypatch.chdir(file.parent)
    torch.jit.script(Script()).save(file)
    with pytest.raises(ValueError, match='bad.pth is a TorchScript archive'):
        load_weights(file)
    assert main(['token', 'extract', 'bad.pth', '--out', 'token.npz']) == 2
    config = Path(__file__).with_name('three_datasets.py')
    assert main(['split', str(config), 'bad.pth', '--dataset', 'mpii', '--out', 'mpii.pth']) == 2
    assert capsys.readouterr().err.count('bad.pth is a TorchScript archive') == 2
    assert not proof.exists()
    torch.jit.load(file)  # torch.jit.load does run the code
    assert proof.exists()


def test_an_old_tar_is_not_unpacked(file):
    """Unpacking a hard link would change the mode of its target."""
    victim = file.with_name('private')
    victim.touch(mode=0o600)
    link = tarfile.TarInfo('storages')
    link.type, link.linkname, link.mode = tarfile.LNKTYPE, str(victim), 0o666
    with tarfile.open(file, 'w') as tar:
        tar.addfile(link)
    with pytest.raises(ValueError, match='bad.pth is a tar archive'):
        load_weights(file)
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_a_file_cannot_modify_the_functions_that_it_calls(file, monkeypatch):
    """Old files contain the source of their modules; torch writes a patch file if `dump_patches` is set."""
    monkeypatch.chdir(file.parent)
    header = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
    module = b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}Vdump_patches\n\x88sbq\x00(Vmodule\nh\x00Vfile\nVsource\ntQ.'
    file.write_bytes(b''.join(pickle.dumps(part, 2) for part in header) + module + pickle.dumps([], 2))
    with pytest.raises(ValueError):
        load_weights(file)
    assert list(file.parent.iterdir()) == [file]
    assert not hasattr(torch._utils._rebuild_tensor_v2, 'dump_patches')


@pytest.mark.parametrize('content, kind', [([1, 2], 'list'), ({}, 'empty dict'), (torch.ones(2), 'Tensor')])
def test_a_file_without_weights_is_refused(file, content, kind):
    torch.save(content, file)
    with pytest.raises(ValueError, match=f"expected a dict of tensors, possibly under 'state_dict'; found {kind}"):
        load_weights(file)


def test_a_missing_file_or_an_empty_folder_is_an_error(file):
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        load_weights(file)
    with pytest.raises(FileNotFoundError, match='no checkpoint in this folder; expected one of model.safetensors'):
        load_weights(file.parent)


def test_nan_and_infinity_are_counted_and_logged(file, logged):
    weights = {'a': torch.ones(3), 'b': torch.tensor([float('nan'), float('inf'), 1, float('-inf')])}
    assert find_non_finite_weights(WEIGHTS) == ''
    assert find_non_finite_weights(weights) == '1 weights are NaN and 2 infinite, the first in b'
    torch.save(weights, file)
    load_weights(file)
    assert f'{file}: 1 weights are NaN and 2 infinite, the first in b' in logged()


def test_weights_in_8_bits_are_refused(tmp_path):
    """They can be stored, and are in files for other models, but torch lacks most operations."""
    save = pytest.importorskip('safetensors.torch', reason='reading safetensors').save_file
    save({'a': torch.ones(4, 2).to(torch.float8_e4m3fn)}, tmp_path / 'a.safetensors')
    with pytest.raises(ValueError, match="a.safetensors: 'a' is stored in float8_e4m3fn: expected fp32, fp16 or bf16"):
        load_weights(tmp_path / 'a.safetensors')


@pytest.fixture
def shards(tmp_path):
    """A folder as `save_pretrained` writes it, with two shards, and its weights."""
    save = pytest.importorskip('safetensors.torch', reason='reading safetensors').save_file
    keys = 'embeddings.position_embeddings', 'encoder.layer.0.layernorm_before.weight'
    weights = {f'backbone.{key}': torch.randn(1, 193, 4) for key in keys}
    for number, (key, value) in enumerate(weights.items(), 1):
        save({key: value}, tmp_path / f'model-{number}-of-2.safetensors', metadata=dict(format='pt'))
    where = {key: f'model-{number}-of-2.safetensors' for number, key in enumerate(weights, 1)}
    write_json(tmp_path / 'model.safetensors.index.json', dict(metadata={}, weight_map=where))
    write_json(tmp_path / 'config.json', dict(backbone_config=dict(image_size=[192, 256], patch_size=[16, 16])))
    return tmp_path, weights


@pytest.mark.parametrize('name', ['', 'model.safetensors.index.json'])
def test_shards_are_read_from_the_folder_or_the_index(shards, name):
    folder, weights = shards
    loaded = load_checkpoint(folder / name)
    assert is_same(loaded.weights, weights) and loaded.container == 'safetensors, 2 shards'
    assert is_same(load_as_mmengine(f'{folder}/{name}'), weights)
    # the grid is that of config.json, not the usual 16x12
    assert loaded.weights._metadata == {'backbone': {'grid': (12, 16)}}


@pytest.mark.parametrize(('size', 'patch'), [(224, 14), ([224, 224], [14, 14]), ([224, 224], 14)])
def test_the_grid_of_a_folder(tmp_path, size, patch):
    torch.save({'encoder.layer.0.layernorm_before.weight': torch.ones(2)}, tmp_path / 'pytorch_model.bin')
    write_json(tmp_path / 'config.json', dict(image_size=size, patch_size=patch))
    (recorded,) = load_weights(tmp_path)._metadata.values()
    assert recorded == {'grid': (16, 16)}


def test_missing_shards_are_an_error(shards):
    folder, _ = shards
    (folder / 'model-2-of-2.safetensors').unlink()
    with pytest.raises(ValueError, match=r'expected 2 shards such as model-1-of-2\.safetensors, found 1'):
        load_weights(folder)


def test_an_index_stands_for_its_shards_and_the_folder_for_the_whole_file(shards):
    """The whole file may be that of an earlier save."""
    from safetensors.torch import save_file

    folder, weights = shards
    before = {key: value + 1 for key, value in weights.items()}
    save_file(before, folder / 'model.safetensors')
    assert is_same(load_weights(folder), before)
    assert is_same(load_weights(folder / 'model.safetensors.index.json'), weights)
    (folder / 'pytorch_model.bin.index.json').touch()
    with pytest.raises(FileNotFoundError, match=r'expected one of pytorch_model-\*-of-\*\.bin'):
        load_weights(folder / 'pytorch_model.bin.index.json')


@pytest.mark.parametrize('content', [dict(weight_map={'a': '/etc/passwd'}), dict(weight_map={'a': '../b'}), []])
def test_an_index_reaches_no_file_elsewhere(shards, content):
    """Its content is not read: the shards are the files of the folder that are named like that."""
    folder, weights = shards
    write_json(folder / 'model.safetensors.index.json', content)
    assert set(load_weights(folder / 'model.safetensors.index.json')) == set(weights)


@pytest.mark.parametrize('text', ['[' * 100_000, '[1]', '3', '\xff'])
def test_a_bad_config_is_refused(shards, text):
    (shards[0] / 'config.json').write_text(text, encoding='latin-1')
    with pytest.raises(ValueError, match='config.json cannot be read as a JSON object'):
        load_weights(shards[0])


HUGE = b'{"a":{"dtype":"F32","shape":[536870912],"data_offsets":[0,2147483648]}}'


@pytest.mark.parametrize('header', [HUGE, b'{' * 5000, b''])
def test_a_lying_safetensors_file_is_refused(tmp_path, header):
    pytest.importorskip('safetensors', reason='reading safetensors')
    for size in (len(header), 2**62):
        (tmp_path / 'a.safetensors').write_bytes(size.to_bytes(8, 'little') + header + bytes(16))
        with pytest.raises(ValueError, match='cannot be read as safetensors; is it complete?'):
            load_weights(tmp_path / 'a.safetensors')


def test_safetensors_must_be_installed(tmp_path, monkeypatch):
    (tmp_path / 'a.safetensors').write_bytes(b'')
    monkeypatch.setitem(sys.modules, 'safetensors', None)
    with pytest.raises(ValueError, match='cannot be read as safetensors.*import of safetensors'):
        load_weights(tmp_path / 'a.safetensors')


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A web server of the folder site/, and an empty cache of torch."""
    (tmp_path / 'site').mkdir()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / 'site')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
        yield tmp_path / 'site', f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def test_a_web_address_is_read_safely(site, proof):
    folder, address = site
    torch.save(dict(state_dict=WEIGHTS), folder / 'good.pth')
    torch.save(dict(state_dict=WEIGHTS, meta=Canary(proof)), folder / 'bad.pth')
    assert is_same(load_as_mmengine(use_safe_loader(f'{address}/good.pth')), WEIGHTS)
    (folder / 'good.pth').unlink()  # now from the cache
    assert is_same(load_as_mmengine(use_safe_loader(f'{address}/good.pth', RESUME_SCHEME)), WEIGHTS)
    for scheme in (SAFE_SCHEME, RESUME_SCHEME):
        with pytest.raises(ValueError, match=r'bad\.pth holds'):
            load_as_mmengine(use_safe_loader(f'{address}/bad.pth', scheme))
    assert not proof.exists()
    assert use_safe_loader('open-mmlab://x') == 'open-mmlab://x'


def test_files_of_two_addresses_with_one_name(site, tmp_path):
    """The authors and MMPose both name files epoch_210.pth."""
    folder, address = site
    for value in (1.0, 2.0):
        (folder / f'{value}').mkdir()
        torch.save({'weight': torch.tensor([value])}, folder / f'{value}/epoch_210.pth')
    for value in (1.0, 2.0, 1.0):
        assert load_as_mmengine(use_safe_loader(f'{address}/{value}/epoch_210.pth'))['weight'] == value
    assert len(list((tmp_path / 'cache').rglob('epoch_210.pth'))) == 2


@pytest.mark.parametrize('name', ['a\nb', '\x1b[2J', 'a' * 300])
def test_a_name_that_could_spoil_the_message_is_refused(file, name):
    torch.save({name: torch.ones(1)}, file)
    with pytest.raises(ValueError, match='is not the name of a weight') as caught:
        load_weights(file)
    assert str(caught.value).isprintable()
