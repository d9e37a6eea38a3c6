"""Metadata of an exported file and its name reach page, HTML report and terminal as text, or not at all."""

import json
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from unittest.mock import Mock

import cv2
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.unit.predict.frames import make_frame, make_poses
from tests.unit.predict.tiny_files import INFO, dot, write_dots
from vitpose.cli.main import main
from vitpose.predict.models.exported import ExportedModel
from vitpose.predict.outputs.page import Page

pytest.importorskip('gradio')
MARKUP = [
    '![x](http://127.0.0.1:9/x.png)',
    '<img src=http://127.0.0.1:9/x.png onerror=alert(1)>',
    '</script><script>alert(1)</script>',
    '</textarea><svg onload=alert(1)>',
    '[/] [red]x[/red] [link=http://127.0.0.1:9]y[/link] :smile:',
    '\x1b]0;title\x07\x1b[2J\x9b1m',
    'a\r\nb\x00\u2028\u202egnp.exe',
    '${alert(1)} {{value}} {% x %} $x^2$ `a` **b** # c',
    '\ud800',
    'x' * 1000,
]
texts = (
    st.sampled_from(MARKUP)
    | st.text(max_size=30)
    | st.builds('{}{}'.format, st.text(max_size=5), st.sampled_from(MARKUP))
)
numbers = st.sampled_from([float('nan'), float('inf'), -1, 0, 10**400, True]) | st.integers() | st.floats()
wrong = st.recursive(
    st.none() | texts | numbers, lambda part: st.lists(part, max_size=3) | st.dictionaries(texts, part, max_size=3)
)
hostile = st.one_of(
    st.fixed_dictionaries(
        {}, optional={key: texts for key in ('dataset', 'checkpoint', 'version', 'sha256', 'precision')}
    ),
    st.fixed_dictionaries({'keypoint_names': st.lists(texts, min_size=2, max_size=2)}, optional={'dataset': texts}),
    st.dictionaries(st.sampled_from(sorted(vars(INFO))), wrong, max_size=3),
    st.dictionaries(st.sampled_from(['codec', 'format', 'version']), wrong, min_size=1),
)
raw = st.dictionaries(
    st.sampled_from(sorted(INFO.texts())), st.sampled_from(['', '{', '[' * 10_000, '1e999', '9' * 5000]), max_size=1
)
names = st.sampled_from(
    ['dots', '<img src=x onerror=alert(1)>', '![x](x.png)', '[red]dots[', 'a\x1b[2Jb', 'a\nb', 'a\udce9b']
)


class Tags(HTMLParser):
    """All tags of a page with their attributes."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))


def report(path, metainfo):
    page = Page(path, metainfo)
    page.write(make_frame(), make_poses(1), make_frame().image)
    page.close()
    return path.read_text()


def check_page(model, title, folder):
    """Whatever is not a plain text in the page is the same for all models."""
    from vitpose.app.gradio_page import build_page
    from vitpose.app.sessions import Sessions

    def parts(model, title):
        page = build_page(SimpleNamespace(model=model, detector=None), title, Sessions(folder))
        components = page.get_config_file()['components']
        values = [part['props'].pop('value', None) for part in components if part['type'] == 'textbox']
        return json.dumps([[part['type'], part['props']] for part in components], default=str), values

    tame = SimpleNamespace(metainfo=INFO.metainfo, num_keypoints=model.num_keypoints)
    (page, values), (expected, _) = parts(model, title), parts(tame, 'dots.onnx')
    assert page == expected
    assert model.info.dataset in str(values[0])
    json.dumps(values, ensure_ascii=False).encode()


def check_file(path, folder, capsys):
    """Feed a file to inspect, predict, the page and the HTML report."""
    out = folder / 'out'
    codes = [main(['inspect', str(path)])]
    printed = capsys.readouterr()
    codes += [main(['predict', str(folder / 'a.png'), '--model', str(path), '--out', str(out), '--html'])]
    predicted = capsys.readouterr()
    assert codes in ([0, 0], [2, 2])
    for text in (*printed, *predicted):
        assert all(line.isprintable() for line in text.split('\n')), text
    if codes == [2, 2]:
        assert printed.err.count('\n') == 1 and len(printed.err) < 1000
        return False
    model = ExportedModel(path)
    shown = re.sub(r'[\s│]', '', printed.out)
    assert re.sub(r'\s', '', model.info.dataset) in shown
    assert re.sub(r'\s', '', ', '.join(model.info.keypoint_names)) in shown
    check_page(model, path.name, folder)
    assert (
        Tags((out / 'index.html').read_text()).tags[-10:]
        == Tags(report(folder / 'tame.html', INFO.metainfo)).tags[-10:]
    )
    return True


def check_many(count, tmp_path_factory, capsys, monkeypatch):
    monkeypatch.setattr('gradio.routes.App.create_app', Mock())  # takes half a second per page
    folder = tmp_path_factory.mktemp('hostile')
    cv2.imwrite(str(folder / 'a.png'), dot(60, 50))
    accepted = []

    @settings(max_examples=count, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
    @given(hostile, raw, names)
    def check(changes, damaged, name):
        texts = INFO.texts() | {f'vitpose_{key}': json.dumps(value) for key, value in changes.items()} | damaged
        path = write_dots(folder / f'{name}.onnx', texts=texts)
        accepted.append(check_file(path, folder, capsys))

    check()
    assert len(accepted) >= count
    assert count / 20 < sum(accepted) < 0.9 * count  # both ways are tried


@pytest.mark.slow
def test_50_hostile_files(tmp_path_factory, capsys, monkeypatch):
    check_many(50, tmp_path_factory, capsys, monkeypatch)


@pytest.mark.long
def test_2000_hostile_files(tmp_path_factory, capsys, monkeypatch):
    check_many(2000, tmp_path_factory, capsys, monkeypatch)
