"""The page, in headless Chromium: pictures, filters, keys; nothing from a file name is run."""

import json
import re

import pytest

from tests.unit.predict.frames import METAINFO, make_frame, make_poses
from vitpose.predict.outputs import page as module
from vitpose.predict.outputs.page import Page
from vitpose.predict.poses import Frame

NASTY = '<img src=x onerror=alert(1)></script>.jpg'


def write_page(path, entries):
    page = Page(path, METAINFO | {'category': '<b>mouse</b>'})
    for frame, poses in entries:
        page.write(frame, poses, frame.image)
    page.close()


def entries_of(path):
    text = path.read_text()
    data = re.search(r'<script id="data" type="application/json">(.*?)</script>', text, re.DOTALL)
    return json.loads(data.group(1))


def test_page_is_one_file_with_everything_in_it(tmp_path):
    write_page(tmp_path / 'p.html', [(make_frame(NASTY), make_poses(2)), (make_frame('b', 1, 9999), make_poses(0))])
    names, first, second, left_out = entries_of(tmp_path / 'p.html')
    assert names == ['head', 'left_foot', 'right_foot'] and left_out == 0
    assert first['file'] == NASTY and first['picture'].startswith('data:image/jpeg;base64,')
    assert first['people'][0] == {'score': 0.6, 'box': 1.0, 'track': None, 'points': [0.9, 0.8, 0.1]}
    assert second['people'] == []
    assert not re.search(r'https?://|src="|href=', (tmp_path / 'p.html').read_text())


def test_one_frame_per_second_of_a_video_and_a_limit(tmp_path, monkeypatch):
    frames = [make_frame('v.mp4', index=i, time=i / 10) for i in range(25)]
    frames += [Frame('v.mp4', None, 25, error='ends early'), make_frame('w.mp4', index=0, time=0)]
    write_page(tmp_path / 'p.html', [(frame, make_poses(1)) for frame in frames])
    assert [entry['time'] for entry in entries_of(tmp_path / 'p.html')[1:-1]] == [0, 1, 2, None, 0]
    monkeypatch.setattr(module, 'MAX_ENTRIES', 3)
    write_page(tmp_path / 'q.html', [(frame, make_poses(1)) for frame in frames])
    assert len(entries_of(tmp_path / 'q.html')) == 5 and entries_of(tmp_path / 'q.html')[-1] == 2


STEPS = """async () => {
  const press = key => document.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
  const set = (id, value) => { $(id).value = value; $(id).dispatchEvent(new Event('input')); };
  const files = () => [...document.querySelectorAll('.card p:nth-of-type(1)')].map(p => p.textContent);
  const seen = {};
  seen.all = files();
  seen.count = $('count').textContent;
  document.querySelectorAll('.card')[1].click();
  seen.opened = [$('name').textContent, $('place').textContent, $('viewer').open];
  await $('picture').decode();
  seen.size = [$('picture').naturalWidth, $('picture').naturalHeight];
  seen.rows = [...document.querySelectorAll('#people tr')].map(row => row.innerText);
  press('ArrowRight');
  seen.right = [$('name').textContent, $('problem').textContent, $('picture').hidden];
  press('End');
  seen.end = [$('place').textContent, $('next').disabled];
  ['Home', 'ArrowLeft'].forEach(press);
  seen.home = $('place').textContent;
  ['next', 'next', 'previous'].forEach(id => $(id).click());
  seen.clicks = $('place').textContent;
  $('close').click();
  seen.closed = $('viewer').open;
  press('/');
  seen.search = document.activeElement.id;
  const pick = (id, value) => { set(id, value); return files(); };
  seen.filtered = pick('text', 'WALK');
  set('text', '');
  Object.assign(seen, { problems: pick('kind', 'problem'), empty: pick('kind', 'empty') });
  set('kind', 'all');
  seen.low = pick('most', 0.2);
  seen.line = document.querySelector('.card p:nth-of-type(2)').textContent;
  set('most', 1);
  set('order', 'score');
  seen.ordered = files();
  return seen;
}"""


@pytest.mark.slow
def test_page_in_a_browser(browser, tmp_path):
    low = make_poses(1, track=True)
    low.scores[:] = 0.25
    entries = [
        (make_frame(NASTY), make_poses(1)),
        (make_frame('walk.mp4', 900, 1200, index=0, time=0.0), low),
        (Frame('broken.jpg', None, error='not an image'), make_poses(0)),
        (make_frame('d/empty.jpg'), make_poses(0)),
        (make_frame('d/dropped.jpg'), make_poses(1, dropped=['box 0: no area'])),
    ]
    path = tmp_path / 'p.html'
    write_page(path, entries)
    page, alerts = browser.new_page(), []
    page.on('dialog', lambda dialog: alerts.append(dialog.message) or dialog.dismiss())
    page.goto(path.as_uri())
    seen = page.evaluate(STEPS)
    assert not alerts
    names = [NASTY, 'd/dropped.jpg', walk := 'walk.mp4 at 0.00 s', 'broken.jpg', 'd/empty.jpg']
    assert seen == {
        'all': [NASTY, walk, 'broken.jpg', 'd/empty.jpg', 'd/dropped.jpg'],
        'count': '5 of 5',
        'opened': [walk, '2 of 5', True],
        'size': [640, 480],
        'rows': ['1\t0\t1.00\t0.25\thead 0.25, left_foot 0.25, right_foot 0.25'],
        'right': ['broken.jpg', 'not an image', True],
        'end': ['5 of 5', True],
        'home': '1 of 5',
        'clicks': '2 of 5',
        'closed': False,
        'search': 'text',
        'filtered': [walk],
        'problems': ['broken.jpg', 'd/dropped.jpg'],
        'empty': ['d/empty.jpg'],
        'low': [NASTY, 'd/dropped.jpg'],
        'line': '1 x <b>mouse</b>, lowest score 0.10',
        'ordered': names,
    }
