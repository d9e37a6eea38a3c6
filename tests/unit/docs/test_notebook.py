"""The code of the site's notebook, cell by cell."""

import json

import pytest


def test_the_notebook_runs(root, capsys):
    pytest.importorskip('onnxruntime')
    cells = json.loads((root / 'docs/notebook.ipynb').read_text('utf-8'))['cells']
    code, scope = [''.join(cell['source']) for cell in cells if cell['cell_type'] == 'code'], {}
    assert len(code) == 3
    for number, text in enumerate(code):
        exec(compile(text, f'cell {number}', 'exec'), scope)
    assert scope['poses']._repr_png_().startswith(b'\x89PNG') and scope['drawing'].shape == (425, 640, 3)
    assert 'left_shoulder' in capsys.readouterr().out
