"""Untrusted checkpoint files: only tensors are read, and no code in the file runs."""

import json
import os
import pickle
import re
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

from vitpose.cli.main import main
from vitpose_mm.checkpoints.safe_load import (
    RESUME_SCHEME,
    SAFE_SCHEME,
    find_non_finite_weights,
    load_checkpoint,
    load_weights,
    use_safe_loader,
)
from vitpose_mm.checkpoints.safe_unpickler import SAFE_TORCH

WEIGHTS = OrderedDict(weight=torch.arange(6.0).view(2, 3), bias=torch.ones(2, dtype=torch.bfloat16))


class Attack:
    """Runs a shell command when it is unpickled."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


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


def check(weights):
    assert set(weights) == {'weight', 'bias'}
    assert all(torch.equal(weights[key], value) for key, value in WEIGHTS.items())


def test_a_checkpoint_of_mmengine_loads(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    history = HistoryBuffer([1.0, 2.0], [1, 1])
    meta = dict(dataset_meta=dict(sigmas=np.ones(17), names={1, 2}), cfg='x = 1', epoch=1, seed=np.int64(3))
    hub = dict(log_scalars=OrderedDict(loss=history), runtime_info=OrderedDict(), resumed_keys=OrderedDict())
    optimizer = dict(state={0: dict(step=torch.tensor(1.0))}, param_groups=[dict(lr=np.float64(0.1), params=[0])])
    torch.save(dict(meta=meta, state_dict=WEIGHTS, message_hub=hub, optimizer=optimizer), file)
    check(load_weights(file))


@pytest.mark.skipif(not SAFE_TORCH, reason='MMEngine reads with weights_only from torch 2.6 on')
def test_mmengine_reads_our_arrays_with_weights_only(tmp_path, capsys):
    """As MMPose's `init_model` does."""
    file = tmp_path / 'epoch_1.pth'
    meta = dict(keypoint_colors=np.zeros((17, 3), np.uint8), sigmas=np.ones(17, np.float32))
    hub = dict(log_scalars=OrderedDict(loss=HistoryBuffer([1.0, 2.0], [1, 1])), runtime_info=OrderedDict())
    torch.save(dict(meta=dict(dataset_meta=meta), state_dict=WEIGHTS, message_hub=hub), file)
    check(CheckpointLoader.load_checkpoint(str(file), 'cpu')['state_dict'])
    assert 'Could not safely load weights' not in capsys.readouterr().out


@pytest.mark.parametrize('wrapper', ['state_dict', 'model', None])
@pytest.mark.parametrize('zipped', [True, False])
def test_every_file_format_loads(tmp_path, wrapper, zipped):
    file = tmp_path / 'weights.pth'
    torch.save({wrapper: WEIGHTS} if wrapper else WEIGHTS, file, _use_new_zipfile_serialization=zipped)
    check(load_weights(file))


def test_layer_versions_are_kept(tmp_path):
    layer = torch.nn.BatchNorm2d(2)
    torch.save(layer.state_dict(), tmp_path / 'layer.pth')
    assert load_weights(tmp_path / 'layer.pth')._metadata == layer.state_dict()._metadata


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('part', ['meta', 'weights'])
def test_a_command_in_the_file_is_not_run(tmp_path, zipped, part):
    file, proof = tmp_path / 'bad.pth', tmp_path / 'it_ran'
    attack = Attack(f'touch {proof}')
    content = dict(meta=attack, state_dict=WEIGHTS) if part == 'meta' else dict(WEIGHTS, bias=attack)
    torch.save(content, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises(ValueError, match=r'bad\.pth holds (posix|nt)\.system, so reading it could run code'):
        load_weights(file)
    assert not proof.exists()
    torch.load(file, weights_only=False)  # torch.load does run the command
    assert proof.exists()


def test_a_bare_pickle_is_not_run(tmp_path):
    file, proof = tmp_path / 'bad.pth', tmp_path / 'it_ran'
    file.write_bytes(pickle.dumps(Attack(f'touch {proof}')))
    with pytest.raises(ValueError, match='cannot be read as a checkpoint of torch|holds posix.system'):
        load_weights(file)
    assert not proof.exists()


def test_torchscript_is_not_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    file, proof = Path('bad.pth'), Path('it_ran')
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


def test_an_old_tar_is_not_unpacked(tmp_path):
    """Unpacking a hard link would change the mode of its target."""
    file, victim = tmp_path / 'bad.pth', tmp_path / 'private'
    victim.touch(mode=0o600)
    link = tarfile.TarInfo('storages')
    link.type, link.linkname, link.mode = tarfile.LNKTYPE, str(victim), 0o666
    with tarfile.open(file, 'w') as tar:
        tar.addfile(link)
    with pytest.raises(ValueError, match='bad.pth is a tar archive'):
        load_weights(file)
    assert stat.S_IMODE(victim.stat().st_mode) == 0o600


def test_a_file_cannot_modify_the_functions_that_it_calls(tmp_path, monkeypatch):
    """Old files contain the source of their modules; torch writes a patch file if `dump_patches` is set."""
    monkeypatch.chdir(tmp_path)
    header = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
    module = b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}Vdump_patches\n\x88sbq\x00(Vmodule\nh\x00Vfile\nVsource\ntQ.'
    content = b''.join(pickle.dumps(part, 2) for part in header) + module + pickle.dumps([], 2)
    Path('bad.pth').write_bytes(content)
    with pytest.raises(ValueError):
        load_weights(Path('bad.pth'))
    assert [path.name for path in tmp_path.iterdir()] == ['bad.pth']
    assert not hasattr(torch._utils._rebuild_tensor_v2, 'dump_patches')


def test_a_truncated_file_is_refused(tmp_path):
    file = tmp_path / 'short.pth'
    torch.save(WEIGHTS, file)
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(ValueError, match=re.escape(f'{file} cannot be read as a checkpoint of torch; is it complete?')):
        load_weights(file)


@pytest.mark.parametrize('content, found', [([1, 2], 'list'), ({}, 'empty dict'), (torch.ones(2), 'Tensor')])
def test_a_file_without_weights_is_refused(tmp_path, content, found):
    torch.save(content, tmp_path / 'other.pth')
    with pytest.raises(ValueError, match=f"expected a dict of tensors, possibly under 'state_dict'; found {found}"):
        load_weights(tmp_path / 'other.pth')


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such checkpoint'):
        load_weights(tmp_path / 'nothing.pth')


def test_what_is_beside_the_weights_is_kept(tmp_path):
    file = tmp_path / 'epoch_1.pth'
    torch.save(dict(meta=dict(epoch=1, dataset_meta=dict(sigmas=np.ones(2))), state_dict=WEIGHTS, optimizer={}), file)
    loaded = load_checkpoint(file)
    assert loaded.meta['epoch'] == 1 and loaded.container == 'torch, weights under state_dict'


def test_nan_and_infinity_are_counted_and_logged(tmp_path, logged):
    weights = {'a': torch.ones(3), 'b': torch.tensor([float('nan'), float('inf'), 1, float('-inf')])}
    assert find_non_finite_weights(WEIGHTS) == ''
    assert find_non_finite_weights(weights) == '1 weights are NaN and 2 infinite, the first in b'
    torch.save(weights, tmp_path / 'a.pth')
    load_weights(tmp_path / 'a.pth')
    assert f'{tmp_path / "a.pth"}: 1 weights are NaN and 2 infinite, the first in b' in logged()


@pytest.fixture
def folder(tmp_path):
    """What `save_pretrained` writes, in two shards."""
    save = pytest.importorskip('safetensors.torch', reason='reading safetensors').save_file
    keys = 'embeddings.position_embeddings', 'encoder.layer.0.layernorm_before.weight'
    weights = {f'backbone.{key}': torch.randn(1, 193, 4) for key in keys}
    for number, (key, value) in enumerate(weights.items(), 1):
        save({key: value}, tmp_path / f'model-{number}-of-2.safetensors', metadata=dict(format='pt'))
    where = {key: f'model-{number}-of-2.safetensors' for number, key in enumerate(weights, 1)}
    write(tmp_path / 'model.safetensors.index.json', dict(metadata={}, weight_map=where))
    write(tmp_path / 'config.json', dict(backbone_config=dict(image_size=[192, 256], patch_size=[16, 16])))
    return tmp_path, weights


def write(path, content):
    path.write_text(json.dumps(content))


@pytest.mark.parametrize('name', ['', 'model.safetensors.index.json'])
def test_shards_are_read_from_the_folder_or_the_index(folder, name):
    path, weights = folder
    loaded = load_checkpoint(path / name)
    assert set(loaded.weights) == set(weights) and loaded.container == 'safetensors, 2 shards'
    assert all(torch.equal(loaded.weights[key], value) for key, value in weights.items())
    if not name:  # the grid is that of config.json, not of the usual 16x12
        assert loaded.weights._metadata == {'backbone': {'grid': (12, 16)}}


@pytest.mark.parametrize(('size', 'patch'), [(224, 14), ([224, 224], [14, 14]), ([224, 224], 14)])
def test_the_grid_of_a_folder(tmp_path, size, patch):
    torch.save({'encoder.layer.0.layernorm_before.weight': torch.ones(2)}, tmp_path / 'pytorch_model.bin')
    (tmp_path / 'config.json').write_text(json.dumps(dict(image_size=size, patch_size=patch)))
    (recorded,) = load_weights(tmp_path)._metadata.values()
    assert recorded == {'grid': (224 // 14, 224 // 14)}


def test_sets_beside_the_weights_are_read(tmp_path):
    torch.save(dict(state_dict=WEIGHTS, meta=dict(classes={'a', 'b'}, epoch=3)), tmp_path / 'a.pth')
    assert load_checkpoint(tmp_path / 'a.pth').meta == dict(classes={'a', 'b'}, epoch=3)


@pytest.mark.parametrize('suffix', ['safetensors', 'bin'])
def test_one_file_in_a_folder(tmp_path, suffix):
    if suffix == 'bin':
        torch.save(dict(WEIGHTS), tmp_path / 'pytorch_model.bin')
    else:
        pytest.importorskip('safetensors.torch', reason='reading safetensors').save_file(
            dict(WEIGHTS), tmp_path / 'model.safetensors'
        )
    check(load_weights(tmp_path))


def test_missing_shards_are_an_error(folder):
    path, _ = folder
    (path / 'model-2-of-2.safetensors').unlink()
    with pytest.raises(ValueError, match=r'expected 2 shards such as model-1-of-2\.safetensors, found 1'):
        load_weights(path)


def test_an_index_reaches_no_file_elsewhere(folder):
    """Its content is not read: the shards are the files of the folder that are named like that."""
    path, weights = folder
    index = path / 'model.safetensors.index.json'
    for content in (dict(weight_map={'a': '/etc/passwd'}), dict(weight_map={'a': '../secret.safetensors'}), []):
        write(index, content)
        assert set(load_weights(index)) == set(weights)


@pytest.mark.parametrize('text', ['[' * 100_000, '[1]', '3', '\xff'])
def test_a_bad_config_is_refused(folder, text):
    path, _ = folder
    (path / 'config.json').write_text(text, encoding='latin-1')
    with pytest.raises(ValueError, match='config.json cannot be read as a JSON object'):
        load_weights(path)


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match='no checkpoint in this folder; expected one of model.safetensors'):
        load_weights(tmp_path)


@pytest.mark.parametrize(
    'header', [b'{"a":{"dtype":"F32","shape":[536870912],"data_offsets":[0,2147483648]}}', b'{' * 5000, b'']
)
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


@pytest.mark.parametrize('name', ['', 'model.safetensors.index.json'])
def test_mmengine_reads_shards(folder, name):
    path, weights = folder
    found = CheckpointLoader.load_checkpoint(f'{path}/{name}', 'cpu')['state_dict']
    assert set(found) == set(weights)


def test_mmengine_reads_safely_where_asked(tmp_path):
    file, proof = tmp_path / 'bad.pth', tmp_path / 'it_ran'
    torch.save(dict(meta=Attack(f'touch {proof}'), state_dict=WEIGHTS), file)
    with pytest.raises(ValueError, match='so reading it could run code'):
        CheckpointLoader.load_checkpoint(f'vitpose-safe://{file}', 'cpu')
    assert not proof.exists()
    torch.save(dict(state_dict=WEIGHTS), file)
    check(CheckpointLoader.load_checkpoint(f'vitpose-safe://{file}', 'cpu')['state_dict'])


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A web server of the folder site/, and an empty cache of torch."""
    (tmp_path / 'site').mkdir()
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path / 'site')
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield tmp_path / 'site', f'http://127.0.0.1:{server.server_port}'
        server.shutdown()


def test_a_web_address_is_read_safely(site, tmp_path):
    folder, address = site
    proof = tmp_path / 'it_ran'
    torch.save(dict(state_dict=WEIGHTS), folder / 'good.pth')
    torch.save(dict(state_dict=WEIGHTS, meta=Attack(f'touch {proof}')), folder / 'bad.pth')
    check(CheckpointLoader.load_checkpoint(use_safe_loader(f'{address}/good.pth'))['state_dict'])
    (folder / 'good.pth').unlink()  # now from the cache
    check(CheckpointLoader.load_checkpoint(use_safe_loader(f'{address}/good.pth', RESUME_SCHEME))['state_dict'])
    for scheme in (SAFE_SCHEME, RESUME_SCHEME):
        with pytest.raises(ValueError, match=r'bad\.pth holds'):
            CheckpointLoader.load_checkpoint(use_safe_loader(f'{address}/bad.pth', scheme))
    assert not proof.exists()
    assert use_safe_loader('open-mmlab://x') == 'open-mmlab://x'


@pytest.mark.parametrize('name', ['a\nb', '\x1b[2J', 'a' * 300])
def test_a_name_that_could_spoil_the_message_is_refused(tmp_path, name):
    torch.save({name: torch.ones(1)}, tmp_path / 'a.pth')
    with pytest.raises(ValueError, match='is not the name of a weight') as caught:
        load_weights(tmp_path / 'a.pth')
    assert str(caught.value).isprintable()


def test_files_of_two_addresses_with_one_name(tmp_path, monkeypatch):
    """The authors and MMPose both name files epoch_210.pth."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    for value in (1.0, 2.0):
        (tmp_path / f'{value}').mkdir()
        torch.save({'weight': torch.tensor([value])}, tmp_path / f'{value}/epoch_210.pth')
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = f'http://127.0.0.1:{server.server_port}'
        for value in (1.0, 2.0, 1.0):
            loaded = CheckpointLoader.load_checkpoint(use_safe_loader(f'{base}/{value}/epoch_210.pth'))
            assert loaded['state_dict']['weight'] == value
        server.shutdown()
    assert len(list((tmp_path / 'cache').rglob('epoch_210.pth'))) == 2
