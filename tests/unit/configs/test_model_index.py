"""model-index.yml can be read, and holds only published figures, marked as such."""

import json
import re
import subprocess
import sys
from pathlib import Path

import mmpose
import pytest
from modelindex.load_model_index import load

from vitpose.models.catalogue import read_catalogue

# COCO val AP by source: the paper's tables with detected boxes; the authors' README.
SOURCES = {
    "authors' repository": """
        small_coco-256x192 0.738  small-simple_coco-256x192 0.735  plus-small_six-sets-256x192 0.758
        plus-base_six-sets-256x192 0.770  plus-large_six-sets-256x192 0.786  plus-huge_six-sets-256x192 0.794
    """,
    'paper, table 2': """
        base_coco-256x192 0.758  large_coco-256x192 0.783  huge_coco-256x192 0.791
        base-simple_coco-256x192 0.755  large-simple_coco-256x192 0.782  huge-simple_coco-256x192 0.789
    """,
    'paper, table 4': """
        base_coco-224x224 0.749  base_coco-256x256 0.758  base_coco-384x288 0.769
        base_coco-384x384 0.771  base_coco-576x432 0.778
    """,
    'paper, table 6': 'base-freeze-attention_coco-256x192 0.751  base-freeze-ffn_coco-256x192 0.728',
    'paper, table 7': """
        base_coco-aic-256x192 0.770  base_coco-aic-mpii-256x192 0.771
        large_coco-aic-mpii-256x192 0.787  huge_coco-aic-mpii-256x192 0.795
    """,
    'paper, table 8': """
        base-from-large-token_coco-256x192 0.760  base-from-large-output_coco-256x192 0.763
        base-from-large-both_coco-256x192 0.766
    """,
}
PAIRS = [(pair, source) for source, text in SOURCES.items() for pair in re.findall(r'(\S+) (\S+)', text)]
AP = {f'vitpose-{name}': (float(ap), source) for (name, ap), source in PAIRS}
# The other datasets of ViTPose+: the authors' README. MPII: PCKh.
PLUS = {
    'small': {'MPII': 0.927, 'AP-10K': 0.714, 'APT-36K': 0.742, 'COCO-WholeBody': 0.544},
    'base': {'MPII': 0.928, 'AP-10K': 0.745, 'APT-36K': 0.759, 'COCO-WholeBody': 0.574},
    'large': {'MPII': 0.940, 'AP-10K': 0.804, 'APT-36K': 0.808, 'COCO-WholeBody': 0.606},
    'huge': {'MPII': 0.942, 'AP-10K': 0.824, 'APT-36K': 0.823, 'COCO-WholeBody': 0.612},
}


def test_figures_are_those_of_the_paper(root):
    """Each published figure appears once, marked as such and with its source, in the entry of an existing config."""
    index = load(str(root / 'model-index.yml'))
    index.build_models_with_collections()
    models = [model for model in index.models if model.weights is None]
    assert sorted(model.name for model in models) == sorted(AP)
    for model in models:
        assert (root / model.config).is_file() and Path(model.config).stem == model.name
        ap, source = AP[model.name]
        assert model.metadata.data['Source of AP'] == source
        plus = PLUS[model.name.split('-')[2].split('_')[0]] if 'six-sets' in model.name else {}
        figures = {name: {'Paper PCKh' if name == 'MPII' else 'Paper AP': value} for name, value in plus.items()}
        assert len(model.results) == 1 + len(figures)
        assert {result.dataset: result.metrics for result in model.results} == {'COCO': {'Paper AP': ap}, **figures}


READ_WITH_MIM = """
import sys
from mim.commands.search import convert2df
from modelindex.load_model_index import load
index = load(sys.argv[1])
index.build_models_with_collections()
print(convert2df(index)['coco/paper_ap'].to_json())
"""


@pytest.mark.slow
def test_mim_reads_the_index(root):
    # in a subprocess: mim imports pip, which changes `typing` so that parts of torch can no longer be imported
    command = [sys.executable, '-c', READ_WITH_MIM, root / 'model-index.yml']
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = json.loads(done.stdout.splitlines()[-1])
    assert {name: ap for name, ap in rows.items() if ap is not None} == {name: ap for name, (ap, _) in AP.items()}
    assert rows.keys() - AP.keys() == {model.name for model in read_catalogue()}


def test_readme_has_the_figures_of_mmpose(root):
    file = Path(mmpose.__file__).parent / '.mim/configs/body_2d_keypoint/topdown_heatmap/coco/vitpose_coco.yml'
    ap = {
        re.search('ViTPose-([a-z-]+)_', model.name)[1]: f'{100 * model.results[0].metrics["AP"]:.1f}'
        for model in load(str(file)).models
    }
    rows = re.findall(r'coco/vitpose-(\w+)\[-simple].*?\|.*?\|.*?\| (\S+), (\S+) \|', (root / 'README.md').read_text())
    assert rows == [(size, ap[size], ap[f'{size}-simple']) for size in PLUS]


def test_tables_list_every_leaf_once(root):
    rows = []
    for line in ''.join((root / page).read_text() for page in ('README.md', 'configs/README.md')).splitlines():
        if row := re.match(r'\| `(\S+)\.py` \| (.*?) \| (.*?) ?\|', line):
            if '[-simple]' in row[1]:
                rows += [(row[1].replace('[-simple]', head), row[i]) for head, i in (('', 2), ('-simple', 3))]
            else:
                rows += [(row[1].replace('SIZE', size), row[2]) for size in (PLUS if 'SIZE' in row[1] else [''])]
    listed = dict(rows)
    assert len(listed) == len(rows)
    leaves = [p.relative_to(root / 'configs').with_suffix('') for p in (root / 'configs').glob('[!_]*/*.py')]
    assert {str(leaf) for leaf in leaves if leaf.parent.name != 'synthetic'} == set(listed)
    assert {path.name for path in leaves} >= set(AP)
    for leaf in leaves:
        if leaf.name in AP:
            assert listed[str(leaf)] == f'{100 * AP[leaf.name][0]:.1f}'
