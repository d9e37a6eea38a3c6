"""model-index.yml can be read, and holds only published figures, marked as such."""

import json
import re
import subprocess
import sys
from pathlib import Path

import mmpose
import pytest
from modelindex.load_model_index import load
from modelindex.models.Model import Model

from vitpose.published.catalogue import read_catalogue

# COCO val AP with detected boxes: paper, tables 2 and 4; small: the authors' README.
AP = {
    'vitpose-small_coco-256x192': (0.738, "authors' repository"),
    'vitpose-small-simple_coco-256x192': (0.735, "authors' repository"),
    'vitpose-base_coco-256x192': (0.758, 'paper, table 2'),
    'vitpose-base-simple_coco-256x192': (0.755, 'paper, table 2'),
    'vitpose-large_coco-256x192': (0.783, 'paper, table 2'),
    'vitpose-large-simple_coco-256x192': (0.782, 'paper, table 2'),
    'vitpose-huge_coco-256x192': (0.791, 'paper, table 2'),
    'vitpose-huge-simple_coco-256x192': (0.789, 'paper, table 2'),
    'vitpose-base_coco-224x224': (0.749, 'paper, table 4'),
    'vitpose-base_coco-256x256': (0.758, 'paper, table 4'),
    'vitpose-base_coco-384x288': (0.769, 'paper, table 4'),
    'vitpose-base_coco-384x384': (0.771, 'paper, table 4'),
    'vitpose-base_coco-576x432': (0.778, 'paper, table 4'),
    'vitpose-base-freeze-attention_coco-256x192': (0.751, 'paper, table 6'),
    'vitpose-base-freeze-ffn_coco-256x192': (0.728, 'paper, table 6'),
    'vitpose-base-from-large-token_coco-256x192': (0.760, 'paper, table 8'),
    'vitpose-base-from-large-output_coco-256x192': (0.763, 'paper, table 8'),
    'vitpose-base-from-large-both_coco-256x192': (0.766, 'paper, table 8'),
    'vitpose-base_coco-aic-256x192': (0.770, 'paper, table 7'),
    'vitpose-base_coco-aic-mpii-256x192': (0.771, 'paper, table 7'),
    'vitpose-large_coco-aic-mpii-256x192': (0.787, 'paper, table 7'),
    'vitpose-huge_coco-aic-mpii-256x192': (0.795, 'paper, table 7'),
    'vitpose-plus-small_six-sets-256x192': (0.758, "authors' repository"),
    'vitpose-plus-base_six-sets-256x192': (0.770, "authors' repository"),
    'vitpose-plus-large_six-sets-256x192': (0.786, "authors' repository"),
    'vitpose-plus-huge_six-sets-256x192': (0.794, "authors' repository"),
}
# The other datasets of ViTPose+: the authors' README. MPII: PCKh.
PLUS = {
    'small': {'MPII': 0.927, 'AP-10K': 0.714, 'APT-36K': 0.742, 'COCO-WholeBody': 0.544},
    'base': {'MPII': 0.928, 'AP-10K': 0.745, 'APT-36K': 0.759, 'COCO-WholeBody': 0.574},
    'large': {'MPII': 0.940, 'AP-10K': 0.804, 'APT-36K': 0.808, 'COCO-WholeBody': 0.606},
    'huge': {'MPII': 0.942, 'AP-10K': 0.824, 'APT-36K': 0.823, 'COCO-WholeBody': 0.612},
}


@pytest.fixture
def models(root: Path) -> list[Model]:
    index = load(str(root / 'model-index.yml'))
    index.build_models_with_collections()
    return [model for model in index.models if model.weights is None]


def test_figures_are_those_of_the_paper(models):
    """Each published figure appears once, marked as such and with its source."""
    found, others = {}, {}
    for model in models:
        figures = {}
        for result in model.results:
            ((name, value),) = result.metrics.items()
            assert name == ('Paper PCKh' if result.dataset == 'MPII' else 'Paper AP')
            figures[result.dataset] = value
        found[model.name] = (figures.pop('COCO'), model.metadata.data['Source of AP'])
        if figures:
            others[model.name] = figures
    assert found == AP
    assert len(models) == len(AP)
    assert others == {f'vitpose-plus-{size}_six-sets-256x192': figures for size, figures in PLUS.items()}


def test_configs_exist(models, root):
    for model in models:
        assert (root / model.config).is_file()
        assert Path(model.config).stem == model.name


READ_WITH_MIM = """
import sys
from mim.commands.search import convert2df
from modelindex.load_model_index import load
index = load(sys.argv[1])
index.build_models_with_collections()
print(convert2df(index)['coco/paper_ap'].to_json())
"""


def test_mim_reads_the_index(root):
    """MIM's reader gives one row per model, with the figure under the marked name.

    This runs in a subprocess: mim imports pip, whose typing_extensions changes `typing` so that parts of torch can
    no longer be imported.
    """
    done = subprocess.run(
        [sys.executable, '-c', READ_WITH_MIM, str(root / 'model-index.yml')], capture_output=True, text=True, check=True
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert {name: ap for name, ap in found.items() if ap is not None} == {name: ap for name, (ap, _) in AP.items()}
    assert found.keys() - AP.keys() == {model.name for model in read_catalogue()}


def test_readme_has_the_figures_of_mmpose(root):
    """MMPose's AP of both decoders per size, from its own metafile."""
    file = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco/vitpose_coco.yml'
    ap = {
        re.search('ViTPose-([a-z-]+)_', model.name)[1]: f'{100 * model.results[0].metrics["AP"]:.1f}'
        for model in load(str(file)).models
    }
    rows = re.findall(r'coco/vitpose-(\w+)\[-simple].*?\|.*?\|.*?\| (\S+), (\S+) \|', (root / 'README.md').read_text())
    assert rows == [(size, ap[size], ap[f'{size}-simple']) for size in PLUS]


def test_tables_list_every_leaf_once(root):
    """The tables in README.md and configs/README.md list every leaf config, with the figures of model-index.yml."""
    rows = []
    for line in ''.join((root / page).read_text() for page in ('README.md', 'configs/README.md')).splitlines():
        row = re.match(r'\| `(\S+)\.py` \| (.*?) \| (.*?) ?\|', line)
        if row and '[-simple]' in row[1]:
            rows.append((row[1].replace('[-simple]', ''), row[2]))
            rows.append((row[1].replace('[-simple]', '-simple'), row[3]))
        elif row and 'SIZE' in row[1]:
            rows.extend((row[1].replace('SIZE', size), row[2]) for size in PLUS)
        elif row:
            rows.append((row[1], row[2]))
    found = dict(rows)
    assert len(found) == len(rows)
    leaves = [p.relative_to(root / 'configs') for p in (root / 'configs').glob('[!_]*/*.py')]
    folders = {leaf.stem: leaf.parent.name for leaf in leaves}
    figures = {f'{folders[name]}/{name}': f'{100 * ap:.1f}' for name, (ap, _) in AP.items()}
    assert {name: found.get(name) for name in figures} == figures
    papers = {str(p.with_suffix('')) for p in leaves if p.parent.name != 'synthetic'}
    assert papers == set(found)
