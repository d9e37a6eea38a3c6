"""Downloads from a local server: resumed, checked against the published hash, and clear when they fail."""

import hashlib
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from vitpose.models import download as downloads
from vitpose.models.catalogue import read_catalogue
from vitpose.models.download import DownloadError, cache_folder, download, fetch, is_reachable

CONTENT = b'weights ' * 5000
SHA = hashlib.sha256(CONTENT).hexdigest()
NAME = f'td-hm_ViTPose-{SHA[:8]}_20230314.pth'
PUBLISHED = read_catalogue()[0]
HUB = '/owner/model/resolve/main/model.safetensors'
POINTER = f'version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize {len(CONTENT)}\n'.encode()


def test_the_hash_in_the_file_name_is_checked(published, tmp_path):
    model, out = replace(PUBLISHED, url=f'{published.address}/{NAME}'), tmp_path / 'new/out'
    published.files[f'/{NAME}'] = CONTENT[1:]
    with pytest.raises(DownloadError, match=f'corrupted .*does not begin with {SHA[:8]}.*try again, or download http'):
        download(model, out)
    assert list(out.iterdir()) == []
    published.files[f'/{NAME}'] = CONTENT
    file, digest = download(model, out)
    assert file == out / NAME and file.read_bytes() == CONTENT and digest == SHA[:8]
    published.files.clear()
    assert download(model, out) == (file, digest) and [path.name for path in out.iterdir()] == [NAME]
    file.write_bytes(CONTENT[1:])
    with pytest.raises(DownloadError, match=f'already exists, but its SHA-256 does not begin with {SHA[:8]}'):
        download(model, out)


def test_the_terms_are_said_once(published, tmp_path, caplog):
    published.files[f'/{NAME}'] = CONTENT
    for _ in range(2):
        download(replace(PUBLISHED, url=f'{published.address}/{NAME}'), tmp_path)
        (said,) = caplog.messages
        assert said.startswith(f'{PUBLISHED.name}: Apache-2.0; trained on ImageNet')


def test_nothing_is_hashed_without_a_published_hash(published, tmp_path, monkeypatch):
    """That would take seconds in each run."""
    monkeypatch.setattr('vitpose.models.download.sha256', lambda path: pytest.fail('hashed'))
    published.files['/a.pth'] = CONTENT
    for _ in range(2):
        assert fetch(f'{published.address}/a.pth', tmp_path / 'a.pth').read_bytes() == CONTENT


def test_a_hub_redirects_and_has_the_hash_in_a_pointer_which_is_kept(published, tmp_path, caplog):
    published.redirects[HUB] = f'{published.address}/blob'
    published.files |= {'/blob': CONTENT, HUB.replace('resolve', 'raw'): POINTER}
    hub = replace(PUBLISHED, name='transformers/vitpose-base', url=published.address + HUB)
    file, digest = download(hub, tmp_path)
    assert (file.name, file.read_bytes(), digest) == ('vitpose-base.safetensors', CONTENT, SHA)
    published.files.clear()
    assert download(hub, tmp_path) == (file, SHA)  # without network
    file.write_bytes(CONTENT[1:])
    with pytest.raises(DownloadError, match='already exists, but'):
        download(hub, tmp_path)
    file.with_name(f'{file.name}.sha256').unlink()  # someone copied the file here
    caplog.clear()
    assert download(hub, tmp_path) == (file, '')
    (said,) = caplog.messages
    assert 'used unchecked: its hash cannot be read' in said


def test_a_removed_file_is_replaced_by_a_newer_one(published, tmp_path):
    """The kept hash is that of the removed file."""
    published.files |= {HUB: CONTENT, HUB.replace('resolve', 'raw'): POINTER}
    hub = replace(PUBLISHED, name='transformers/vitpose-base', url=published.address + HUB)
    download(hub, tmp_path)[0].unlink()
    newer = hashlib.sha256(CONTENT[1:]).hexdigest()
    published.files |= {HUB: CONTENT[1:], HUB.replace('resolve', 'raw'): POINTER.replace(SHA.encode(), newer.encode())}
    for _ in range(2):
        file, digest = download(hub, tmp_path)
        assert file.read_bytes() == CONTENT[1:] and digest == newer


@pytest.mark.parametrize(
    ('content', 'message'),
    [(POINTER, 'the server sent a Git LFS pointer'), (b'<!DOCTYPE html><html>', 'the server sent a web page')],
)
def test_what_is_no_file_of_weights_is_refused_without_a_hash_too(published, tmp_path, content, message):
    published.files['/a.pth'] = content
    with pytest.raises(DownloadError, match=message):
        fetch(f'{published.address}/a.pth', tmp_path / 'a.pth')
    assert not list(tmp_path.iterdir())


def test_a_pointer_must_have_a_hash(published, tmp_path):
    published.files |= {HUB: CONTENT, HUB.replace('resolve', 'raw'): b'{}'}
    with pytest.raises(DownloadError, match='expected a Git LFS pointer'):
        download(replace(PUBLISHED, url=published.address + HUB), tmp_path)


@pytest.mark.parametrize('ranges', [True, False])
def test_a_download_that_broke_is_continued(published, tmp_path, ranges):
    published.files['/a.pth'], published.ends_after = CONTENT, 30_000
    url, file = f'{published.address}/a.pth', tmp_path / 'a.pth'
    with pytest.raises(DownloadError, match='the connection ended after 30,000 of 40,000 bytes.*try again'):
        fetch(url, file, SHA)
    assert {path.name: path.stat().st_size for path in tmp_path.iterdir()} == {'a.pth.part': 30_000}
    published.ends_after, published.ranges = None, ranges
    assert fetch(url, file, SHA).read_bytes() == CONTENT
    assert published.asked[-1] == ('GET', '/a.pth', 'bytes=30000-') and list(tmp_path.iterdir()) == [file]


def test_a_part_that_is_not_of_this_file_is_not_kept(published, tmp_path):
    """Another file's bytes lead to another hash, and more bytes than the file has to a new beginning."""
    published.files['/a.pth'] = CONTENT
    url, file, part = f'{published.address}/a.pth', tmp_path / 'a.pth', tmp_path / 'a.pth.part'
    part.write_bytes(b'other')
    with pytest.raises(DownloadError, match='corrupted'):
        fetch(url, file, SHA)
    assert not list(tmp_path.iterdir())
    part.write_bytes(CONTENT + b'more')
    assert fetch(url, file, SHA).read_bytes() == CONTENT


def test_the_part_of_a_killed_process_is_continued_and_that_of_a_living_one_is_not(published, tmp_path):
    published.files['/a.pth'] = CONTENT
    url, living, killed = (
        f'{published.address}/a.pth',
        tmp_path / 'a.pth.12345678.part',
        tmp_path / 'a.pth.9abcdef0.part',
    )
    living.write_bytes(b'of the other process')
    fetch(url, tmp_path / 'a.pth', SHA)
    assert published.asked[-1][2] is None and living.read_bytes() == b'of the other process'
    (tmp_path / 'a.pth').unlink()
    killed.write_bytes(CONTENT[:1000])
    os.utime(killed, (time.time() - 100,) * 2)
    fetch(url, tmp_path / 'a.pth', SHA)
    assert published.asked[-1][2] == 'bytes=1000-' and not killed.exists()


def test_a_server_that_stalls_is_left_after_the_timeout(published, tmp_path):
    published.files['/a.pth'], published.ends_after, published.stalls = CONTENT, 1000, True
    start = time.monotonic()
    with pytest.raises(DownloadError, match='timed out'):
        fetch(f'{published.address}/a.pth', tmp_path / 'a.pth', SHA, timeout=0.2)
    assert time.monotonic() - start < 3 and (tmp_path / 'a.pth.part').stat().st_size == 1000


def test_two_processes_at_once(published, tmp_path):
    published.files['/a.pth'] = CONTENT * 50
    digest, file = hashlib.sha256(CONTENT * 50).hexdigest(), tmp_path / 'a.pth'
    code = 'import sys; from pathlib import Path; from vitpose.models.download import fetch; '
    code += 'fetch(sys.argv[1], Path(sys.argv[2]), sys.argv[3]); assert "torch" not in sys.modules'
    words = [sys.executable, '-c', code, f'{published.address}/a.pth', str(file), digest]
    processes = [subprocess.Popen(words) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
    assert file.read_bytes() == CONTENT * 50 and list(tmp_path.iterdir()) == [file]


def test_what_to_do_without_network_or_with_a_page_for_browsers(published, tmp_path, monkeypatch):
    for url, reason in ((f'{published.address}/{NAME}', 'HTTP Error 404'), (f'http://127.0.0.1:9/{NAME}', 'refused')):
        file = tmp_path / 'out' / NAME
        expected = rf'{url} cannot be downloaded \(.*{reason}.*\): try again, or download {url} elsewhere .* to {file}'
        with pytest.raises(DownloadError, match=expected):
            download(replace(PUBLISHED, url=url), tmp_path / 'out')
        assert not list((tmp_path / 'out').iterdir())
    browser = replace(PUBLISHED, url='https://1drv.ms/u/s!abc?e=1')
    with pytest.raises(
        DownloadError, match=rf'a browser to download: open {"https://1drv.ms/u/s!abc"}.*{tmp_path}/vitpose'
    ):
        download(browser, tmp_path)
    (tmp_path / 'vitpose-small_coco.pth').write_bytes(CONTENT)  # as the message says
    assert download(browser, tmp_path) == (tmp_path / 'vitpose-small_coco.pth', '')
    monkeypatch.setenv('VITPOSE_OFFLINE', '1')
    with pytest.raises(DownloadError, match=f'{tmp_path}/{NAME} is missing and VITPOSE_OFFLINE is set: unset it, or'):
        download(replace(PUBLISHED, url=f'{published.address}/{NAME}'), tmp_path)


def test_a_cache_that_cannot_be_written_and_one_that_has_the_file(published, tmp_path, monkeypatch):
    (tmp_path / 'file').touch()
    published.files['/a.pth'] = CONTENT
    with pytest.raises(
        DownloadError, match='file cannot be written .*: set VITPOSE_HOME to a folder that can, or downl'
    ):
        fetch(f'{published.address}/a.pth', tmp_path / 'file/a.pth')
    (tmp_path / 'a.pth').write_bytes(CONTENT)
    monkeypatch.setattr(Path, 'mkdir', lambda *_, **__: pytest.fail('it only reads'))
    assert fetch(f'{published.address}/a.pth', tmp_path / 'a.pth', SHA) and not published.asked


def test_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv('VITPOSE_HOME', str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv('VITPOSE_HOME')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'xdg'))
    assert cache_folder() == tmp_path / 'xdg/vitpose'
    monkeypatch.setattr(sys, 'platform', 'win32')
    monkeypatch.setenv('LOCALAPPDATA', str(tmp_path / 'local'))
    assert cache_folder() == tmp_path / 'local/vitpose'
    monkeypatch.delenv('XDG_CACHE_HOME')
    monkeypatch.setattr(sys, 'platform', 'darwin')
    assert cache_folder() == Path.home() / 'Library/Caches/vitpose'


def test_whether_there_is_a_network_is_not_asked_for_long(published, monkeypatch):
    assert is_reachable(f'{published.address}/a/b?c') and published.asked == [('HEAD', '/', None)]
    assert not is_reachable('http://127.0.0.1:9/a')
    monkeypatch.setattr(downloads, 'REACH_S', 0.1)

    def wait(*_, **__):  # as where a name is not resolved
        time.sleep(2)
        raise TimeoutError

    monkeypatch.setattr(downloads, 'open_url', wait)
    start = time.monotonic()
    assert not is_reachable('https://nowhere.example/') and time.monotonic() - start < 1
