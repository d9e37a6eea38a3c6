"""Downloads from a local server: complete, checked against the published hash, and clear when they fail."""

import hashlib
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from vitpose.published.catalogue import read_catalogue
from vitpose.published.download import DownloadError, download

CONTENT = b'weights ' * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()
NAME = f'td-hm_ViTPose-{SHA[:8]}_20230314.pth'


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(tmp_path):
    """A folder, and the address under which its files are served."""
    folder = tmp_path / 'served'
    folder.mkdir()
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(Quiet, directory=folder))
    Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def model(url, name='mmpose/vitpose-base_coco'):
    return replace(read_catalogue()[0], name=name, url=url)


def test_the_hash_in_the_file_name_is_checked(served, tmp_path):
    folder, address = served
    (folder / NAME).write_bytes(CONTENT)
    file, digest = download(model(f'{address}/{NAME}'), tmp_path / 'new/out')
    assert file == tmp_path / 'new/out' / NAME and file.read_bytes() == CONTENT and digest == SHA[:8]
    (folder / NAME).unlink()
    assert download(model(f'{address}/{NAME}'), tmp_path / 'new/out') == (file, digest)  # not loaded again
    file.write_bytes(CONTENT[1:])
    with pytest.raises(DownloadError, match=f'already exists, but its SHA-256 does not begin with {SHA[:8]}'):
        download(model(f'{address}/{NAME}'), tmp_path / 'new/out')


def test_a_damaged_file_is_not_kept(served, tmp_path):
    folder, address = served
    (folder / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match='corrupted during download .*; try again'):
        download(model(f'{address}/{NAME}'), tmp_path / 'out')
    assert list((tmp_path / 'out').iterdir()) == []


def test_the_hash_in_a_pointer_is_checked(served, tmp_path):
    folder, address = served
    for part in ('resolve', 'raw'):
        (folder / f'hub/{part}/main').mkdir(parents=True)
    (folder / 'hub/resolve/main/model.safetensors').write_bytes(CONTENT)
    pointer = folder / 'hub/raw/main/model.safetensors'
    pointer.write_text(f'version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize {len(CONTENT)}\n')
    hub = model(f'{address}/hub/resolve/main/model.safetensors', 'transformers/vitpose-base')
    file, digest = download(hub, tmp_path / 'out')
    assert (file.name, file.read_bytes(), digest) == ('vitpose-base.safetensors', CONTENT, SHA)
    file.unlink()
    pointer.write_text(pointer.read_text().replace(SHA, 64 * 'a'))
    with pytest.raises(DownloadError, match='corrupted during download'):
        download(hub, tmp_path / 'out')
    pointer.write_text('<html>')
    with pytest.raises(DownloadError, match='expected a Git LFS pointer'):
        download(hub, tmp_path / 'out')


def test_what_to_do_without_network(served, tmp_path):
    _, address = served
    for url, reason in ((f'{address}/{NAME}', 'HTTP Error 404'), (f'http://127.0.0.1:9/{NAME}', 'refused')):
        expected = rf'127.0.0.1 cannot be reached \(.*{reason}.*\). Without network access, download {url} elsewhere'
        with pytest.raises(DownloadError, match=expected):
            download(model(url), tmp_path / 'out')


def test_pages_for_browsers_are_named(tmp_path):
    with pytest.raises(DownloadError, match=r'requires a browser to download: open https://1drv.ms/u/s!abc, save'):
        download(model('https://1drv.ms/u/s!abc'), tmp_path)
