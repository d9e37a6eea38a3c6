"""Files of torch: refused unless trusted, described without running them, and what else is refused."""

import json
import pickle
import zipfile

import cv2
import numpy as np
import pytest
import torch

from tests.unit.predict.tiny_files import HEIGHT, INFO, WIDTH, dot
from vitpose import PosePredictor
from vitpose.cli.main import main
from vitpose.predict.torch_backend import LARGEST


class Brightest(torch.nn.Module):
    """Crops -> the place of the brightest pixel, twice."""

    def forward(self, crops):
        flat = crops.amax(-1).flatten(1).float()
        top, index = flat.max(1, keepdim=True)
        point = torch.stack((index % WIDTH, index // WIDTH), -1).float()
        return point.repeat(1, 2, 1), top.repeat(1, 2)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    example = torch.zeros(2, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    program = torch.export.export(Brightest(), (example,), dynamic_shapes=({0: torch.export.Dim('batch')},))
    path = tmp_path_factory.mktemp('dots') / 'dots.pt2'
    torch.export.save(program, str(path), extra_files=INFO.texts())
    return path


def rewritten(file, path, change):
    """A copy of a .pt2 file, with other records."""
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(path, 'w') as target:
        records = {name: source.read(name) for name in source.namelist()}
        change(records)
        for name, data in records.items():
            target.writestr(name, data)
    return path


def test_a_trusted_file_predicts(file):
    poses = PosePredictor(file, trust=True)(dot(70, 50), [[10, 10, 110, 90], [40, 20, 120, 110]])
    assert poses.keypoints.shape == (2, 2, 2) and np.abs(poses.keypoints - [70, 50]).max() < 3


def test_nothing_in_a_file_runs_without_trust(file, tmp_path, capsys):
    class Canary:
        def __reduce__(self):
            return (open, (str(tmp_path / 'ran'), 'w'))

    def replace(records):
        (name,) = (name for name in records if 'sample_inputs' in name)
        records[name] = pickle.dumps(Canary(), protocol=2)

    hostile = rewritten(file, tmp_path / 'hostile.pt2', replace)
    cv2.imwrite(str(tmp_path / 'a.png'), dot(70, 50))
    words = ['predict', str(tmp_path / 'a.png'), '--model', str(hostile), '--out', str(tmp_path / 'out')]
    with pytest.raises(ValueError, match='hostile.pt2: reading a .pt2 file can run code that is in it'):
        PosePredictor(hostile)
    assert main(words) == 2 and '`vitpose predict --trust`' in capsys.readouterr().err
    assert main(['inspect', str(hostile), '--json']) == 0
    assert json.loads(capsys.readouterr().out)['dataset'] == 'dots'
    assert not (tmp_path / 'ran').exists()
    with pytest.raises(ValueError, match='damaged or of another version'):
        PosePredictor(hostile, trust=True)
    assert (tmp_path / 'ran').exists()  # so that the refusal above is for a reason


def with_record(name, value):
    return lambda records: records.update({f'dots/{name}': value.encode()})


COMPILED = 'data/aotinductor/model/x.wrapper_metadata.json'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (with_record('extra/vitpose_format', '9'), 'format 9, written by version'),
        (with_record('extra/vitpose_padding', '1.'), 'damaged metadata'),
        (with_record('extra/vitpose_padding', ' ' * (LARGEST + 1)), f'vitpose_padding has {LARGEST + 1} bytes'),
        (with_record(COMPILED, '{'), 'damaged or not a .pt2 file'),
        (with_record(COMPILED, '[]'), 'damaged or not a .pt2 file'),
        (with_record(COMPILED, '{"AOTI_PLATFORM": "cray"}'), 'compiled for cray, and this is .*export it on such'),
        (lambda records: records.pop('dots/models/model.json'), 'a.pt2: .*damaged or of another version'),
        (with_record('models/model.json', '{'), 'a.pt2: .*damaged or of another version'),  # a ValueError of torch
        (
            lambda records: [records.pop(name) for name in list(records) if 'extra' in name],
            'not written by `vitpose exp',
        ),
    ],
)
def test_damaged_and_foreign_files(file, tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        PosePredictor(rewritten(file, tmp_path / 'a.pt2', change), trust=True)


def test_what_is_no_archive(file, tmp_path):
    (tmp_path / 'half.pt2').write_bytes(file.read_bytes()[:500])
    with pytest.raises(ValueError, match='half.pt2: damaged or not a .pt2 file'):
        PosePredictor(tmp_path / 'half.pt2', trust=True)
    with pytest.raises(ValueError, match="device='cuda': .pt2 files run on the CPU here"):
        PosePredictor(file, device='cuda', trust=True)
    with pytest.raises(ValueError, match='only with a config; `vitpose export --to torch --compile`'):
        PosePredictor(file, trust=True, compile=True)
