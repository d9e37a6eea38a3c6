"""Downloads from a local server: complete, checked against the published hash, and clear when they fail."""

import hashlib
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from vitpose.models.catalogue import read_catalogue
from vitpose.models.download import DownloadError, download

CONTENT = b'weights ' * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()
NAME = f'td-hm_ViTPose-{SHA[:8]}_20230314.pth'
PUBLISHED = read_catalogue()[0]


@pytest.fixture
def served(tmp_path):
    """A folder, and the address under which its files are served."""
    folder = tmp_path / 'served'
    folder.mkdir()
    quiet = type('Quiet', (SimpleHTTPRequestHandler,), dict(log_message=lambda *_: None))
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(quiet, directory=folder))
    Thread(target=server.serve_forever, kwargs=dict(poll_interval=0.01), daemon=True).start()
    yield folder, f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def test_the_hash_in_the_file_name_is_checked(served, tmp_path):
    folder, address = served
    model, out = replace(PUBLISHED, url=f'{address}/{NAME}'), tmp_path / 'new/out'
    (folder / NAME).write_bytes(CONTENT[:-1])
    with pytest.raises(DownloadError, match='corrupted during download .*; try again'):
        download(model, out)
    assert list(out.iterdir()) == []
    (folder / NAME).write_bytes(CONTENT)
    file, digest = download(model, out)
    assert file == out / NAME and file.read_bytes() == CONTENT and digest == SHA[:8]
    (folder / NAME).unlink()
    assert download(model, out) == (file, digest)  # not loaded again
    file.write_bytes(CONTENT[1:])
    with pytest.raises(DownloadError, match=f'already exists, but its SHA-256 does not begin with {SHA[:8]}'):
        download(model, out)


def test_the_hash_in_a_pointer_is_checked(served, tmp_path):
    folder, address = served
    for part in ('resolve', 'raw'):
        (folder / f'hub/{part}/main').mkdir(parents=True)
    (folder / 'hub/resolve/main/model.safetensors').write_bytes(CONTENT)
    pointer = folder / 'hub/raw/main/model.safetensors'
    text = f'version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize {len(CONTENT)}\n'
    pointer.write_text(text)
    hub = replace(PUBLISHED, name='transformers/vitpose-base', url=f'{address}/hub/resolve/main/model.safetensors')
    file, digest = download(hub, tmp_path / 'out')
    assert (file.name, file.read_bytes(), digest) == ('vitpose-base.safetensors', CONTENT, SHA)
    file.unlink()
    wrong = text.replace(SHA, 64 * 'a')
    for content, message in ((wrong, 'corrupted during download'), ('<html>', 'expected a Git LFS pointer')):
        pointer.write_text(content)
        with pytest.raises(DownloadError, match=message):
            download(hub, tmp_path / 'out')


def test_a_file_without_published_hash(served, tmp_path):
    (served[0] / 'a.pth').write_bytes(CONTENT)
    for _ in range(2):  # the second time it exists
        file, digest = download(replace(PUBLISHED, url=f'{served[1]}/a.pth'), tmp_path)
        assert file.read_bytes() == CONTENT and digest == ''


def test_what_to_do_without_network_or_with_a_page_for_browsers(served, tmp_path):
    for url, reason in ((f'{served[1]}/{NAME}', 'HTTP Error 404'), (f'http://127.0.0.1:9/{NAME}', 'refused')):
        expected = rf'127.0.0.1 cannot be reached \(.*{reason}.*\). Without network access, download {url} elsewhere'
        with pytest.raises(DownloadError, match=expected):
            download(replace(PUBLISHED, url=url), tmp_path / 'out')
    with pytest.raises(DownloadError, match=r'requires a browser to download: open https://1drv.ms/u/s!abc, save'):
        download(replace(PUBLISHED, url='https://1drv.ms/u/s!abc'), tmp_path)
