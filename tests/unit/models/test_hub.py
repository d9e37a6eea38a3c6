"""Models of transformers' form, as folders and on a hub, which is a local server."""

import json
import os
import subprocess
import sys

import pytest

from vitpose.models.hub import find_in_folder, import_hub
from vitpose.predict.models.torch_model import read_config, read_test_set
from vitpose.predict.predictor import load_model

SIDED = 'Eye Ear Shoulder Elbow Wrist Hip Knee Ankle'.split()
COCO = ['Nose', *(f'{side}_{name}' for name in SIDED for side in 'LR')]
MOUSE = ['nose', 'left_ear', 'right_ear', 'tail base']


def hub_config(names=COCO, simple=False, size=(64, 48), **vit):
    """config.json of a small VitPose."""
    backbone = dict(
        hidden_size=48, num_hidden_layers=2, num_attention_heads=3, image_size=size, patch_size=[16, 16], **vit
    )
    labels = {str(i): name for i, name in enumerate(names)}
    more = dict(model_type='vitpose', use_simple_decoder=simple, scale_factor=4, edges=[[0, 1], [0, 3]])
    return dict(backbone_config=backbone, id2label=labels, **more)


def write(folder, config, card='---\nlicense: apache-2.0\n---\n'):
    folder.mkdir(exist_ok=True)
    (folder / 'config.json').write_text(json.dumps(config))
    (folder / 'README.md').write_text(card)
    return folder


@pytest.mark.parametrize('simple', [True, False])
def test_config_json_gives_size_decoder_keypoints_and_crop(tmp_path, simple):
    named = find_in_folder(write(tmp_path / 'mice', hub_config(MOUSE, simple)))
    assert named.file == tmp_path / 'mice' and named.dataset is None
    cfg, name = read_config(named.config, dict(named.cfg_options))
    backbone, head = cfg.model.backbone, cfg.model.head
    assert backbone.arch == dict(embed_dim=48, depth=2, num_heads=3) and backbone.img_size == (64, 48)
    assert (head.type, head.in_channels, head.out_channels) == (('ClassicHead', 'SimpleHead')[simple], 48, 4)
    assert head.decoder.input_size == (48, 64) and head.decoder.heatmap_size == (12, 16)
    rule, metainfo = read_test_set(cfg, name)
    assert rule.input_size == (48, 64) and rule.use_udp
    assert metainfo['dataset_name'] == 'mice' and list(metainfo['keypoint_id2name'].values()) == MOUSE
    assert metainfo['flip_indices'] == [0, 2, 1, 3] and metainfo['skeleton_links'] == [(0, 1), (0, 3)]
    assert metainfo['objects'] is None
    assert metainfo['license'] == 'apache-2.0, says the card of mice; data: see there'


def test_cocos_keypoints_are_those_of_people(tmp_path):
    named = find_in_folder(write(tmp_path / 'people', hub_config(size=(256, 192)), card=''))
    _, metainfo = read_test_set(*read_config(named.config, dict(named.cfg_options)))
    assert (metainfo['dataset_name'], metainfo['objects'], metainfo['num_keypoints']) == ('coco', 'person', 17)
    assert metainfo['license'].startswith('not stated')
    experts = dict(num_experts=6, size=(256, 192))
    config = hub_config(**experts)
    config['backbone_config'] |= dict(hidden_size=384, num_hidden_layers=12)
    plus = find_in_folder(write(tmp_path / 'plus', config))
    assert plus.config.name == 'vitpose-plus-small_six-sets-256x192.py' and plus.dataset == 'coco'


def test_a_folder_predicts_as_transformers(tmp_path):
    """The heatmaps of both, for a crop of random pixels."""
    torch = pytest.importorskip('torch')
    transformers = pytest.importorskip('transformers', reason='needs transformers (requirements/tested.txt)')
    import numpy as np

    torch.manual_seed(0)
    vit = hub_config(MOUSE)['backbone_config']
    backbone = transformers.VitPoseBackboneConfig(out_indices=[2], **vit)
    options = dict(id2label=dict(enumerate(MOUSE)), label2id={name: i for i, name in enumerate(MOUSE)})
    config = transformers.VitPoseConfig(backbone_config=backbone, use_simple_decoder=False, **options)
    theirs = transformers.VitPoseForPoseEstimation(config).eval()
    theirs.save_pretrained(tmp_path / 'mice')
    ours = load_model(tmp_path / 'mice', device='cpu')
    crops = np.random.default_rng(0).integers(0, 255, (2, 64, 48, 3), np.uint8)
    with torch.no_grad():
        expected = theirs(ours.normalized(crops)).heatmaps
    torch.testing.assert_close(ours.heatmaps(crops), expected, atol=1e-5, rtol=1e-4)
    assert ours.num_keypoints == 4


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (dict(model_type='vit'), "config.json: model_type='vit': expected a vitpose"),
        (dict(backbone_config={}), 'not the config of a VitPose of transformers .*hidden_size'),
        (dict(id2label=None), 'not the config of a VitPose'),
        (
            dict(backbone_config=hub_config(num_experts=6)['backbone_config']),
            'only ViTPose\\+ with its decoder for COCO',
        ),
    ],
)
def test_other_models_are_refused(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        find_in_folder(write(tmp_path / 'other', hub_config() | change))
    with pytest.raises(FileNotFoundError, match='expected a config.json'):
        find_in_folder(tmp_path)


def test_owner_and_name_need_the_package_of_the_hub(monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    with pytest.raises(ValueError, match=r'owner/mice: .* need the package huggingface_hub: pip install .*\[hub\]'):
        import_hub('owner/mice')


COMMIT, BASE = '0123456789abcdef0123456789abcdef01234567', '/owner/mice/resolve'


def publish(server, tmp_path):
    """Publish a model as owner/mice; return the environment of a process that uses this hub."""
    files = {'config.json': json.dumps(hub_config(MOUSE)).encode(), 'model.safetensors': b'weights', 'README.md': b''}
    about = dict(id='owner/mice', sha=COMMIT, siblings=[dict(rfilename=name) for name in (*files, 'other.bin')])
    server.files['/api/models/owner/mice/revision/main'] = json.dumps(about).encode()
    for name, content in files.items():
        for path in (f'{BASE}/{revision}/{name}' for revision in (COMMIT, 'main')):
            server.files[path] = content
            server.headers[path] = {'ETag': f'"{name}"', 'X-Repo-Commit': COMMIT}
    return os.environ | dict(HF_ENDPOINT=server.address, HF_HOME=str(tmp_path), HF_HUB_DISABLE_XET='1')


def test_the_hub_is_asked_once(published, tmp_path):
    pytest.importorskip('huggingface_hub')
    environment = publish(published, tmp_path)
    code = """
from vitpose.models.hub import find_in_folder, hub_folder
folder = hub_folder('owner/mice')
print(*sorted(file.name for file in folder.iterdir()))
named = find_in_folder(folder, 'owner/mice')
print(named.config.name, '-', named.cfg_options['license'])
assert hub_folder('owner/mice') == folder
try:
    hub_folder('owner/none')
except ValueError as problem:
    print(problem)
"""
    done = subprocess.run([sys.executable, '-c', code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    listed, config, *missing = done.stdout.splitlines()
    assert listed == 'README.md config.json model.safetensors' and config.startswith(
        'vitpose-base_coco-256x192.py - not stated, says the card of owner/mice'
    )
    assert missing == ['owner/none: neither a name of `vitpose models` nor a public model of the hub']
    assert done.stderr.count('owner/mice: not stated') == 1
    assert published.asked.count(('GET', f'{BASE}/{COMMIT}/model.safetensors', None)) == 1


def test_a_folder_with_weights_alone_is_completed(published, tmp_path):
    """As another program leaves it in the hub's cache."""
    pytest.importorskip('huggingface_hub')
    code = """
from huggingface_hub import hf_hub_download
from vitpose.models.hub import hub_folder
hf_hub_download('owner/mice', 'model.safetensors')
print(*sorted(file.name for file in hub_folder('owner/mice').iterdir()))
"""
    words, environment = [sys.executable, '-c', code], publish(published, tmp_path)
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=300)
    assert done.stdout == 'README.md config.json model.safetensors\n', done.stderr
