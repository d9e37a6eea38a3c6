"""Every command in a shell block of README and docs/: run on small files, or listed with the test or reason."""

import re
import shlex
from pathlib import Path

import cv2
import pytest
import torch
from mmengine import Config
from mmengine.registry import init_default_scope
from mmpose.registry import MODELS

from tests.unit.bench.fitted_model import write_fitted
from tests.unit.own_data import makers
from tests.unit.predict.tiny_detectors import write_suppressed
from vitpose.cli.demo import CONFIG as DEMO_CONFIG
from vitpose.cli.main import build_parser, main

FILES = {  # names on the pages, as regular expressions, and the small files that `folder` has in their place
    r'(?<=mmpose )CONFIG\b|(?<=bench --train )\S+|\bOTHER_CONFIG\b': 'config.py',
    r'(?<=config.py --checkpoint )FILE': 'tiny.pth',
    r'\bCONFIG\b|configs/coco/vitpose-base_coco-256x192\.py': 'model.py',
    r'\b(FILE\.pth|FILE|CHECKPOINT)\b': 'model.pth',
    r'\brtmdet-m\b': 'yolox_m/end2end.onnx',  # its weights would be downloaded
    r'\bvitpose-b\.pth\b': 'model.pth',
    r'\bANNOTATIONS --images DIR\b': 'mice/mice.json --images mice',
    r'\bOUT\b': 'converted.pth',
}
RUN = {  # commands that run here, as regular expressions, and options that make them smaller
    r'vitpose predict (demo|walk|photos|photo\.jpg)(?!.*--model base).*': '',
    r'vitpose dataset ANNOTATIONS .*': '',
    r'vitpose (export CONFIG|inspect|convert) .*': '',
    r'vitpose synth --out data/synthetic': '--train 2 --val 1 --workers 0',
    r'vitpose bench --train .*': '--workers 1 --rounds 1 --seconds 0.1 --batch-size 2',
    r'OMP_NUM_THREADS=2 taskset -c 0,1 vitpose bench .*': '--images 1 --people 2 --rounds 1 --only ours-fp32',
    r'mim train mmpose CONFIG .*': 'default_hooks.checkpoint.interval=8 train_cfg.max_epochs=1 train_cfg.val_begin=9',
    r'mim test mmpose CONFIG .*': 'model.head.decoder.type=BatchUDPHeatmap',
    r'TRAIN=\$\(python -c .*\)': '',
}
OWN_DATA_PAGE = 'integration/test_own_data_page.py'
ELSEWHERE = {  # commands that another test runs, below tests/
    r'vitpose predict walk.mp4 --model base .*': 'unit/models/test_names.py::test_commands_take_names',
    r'vitpose predict rtsp://.*': (
        'unit/cli/test_predict.py::test_a_stream_that_ends_keeps_its_frames_and_is_a_broken_input'
    ),
    r'vitpose calibrate .*': 'unit/cli/test_calibrate.py::test_scores_become_probabilities_and_the_model_stays',
    r'make demo': 'integration/test_demo.py::test_demo_writes_all_results',
    r'vitpose (predict val2017/ .*|eval .*)': 'parity/test_predict_ap.py::test_ap_with_detector_boxes',
    r'vitpose export FILE --dataset coco .*': 'integration/test_torch_alone.py::test_predict_app_export_and_inspect',
    r'vitpose doctor': 'unit/doctor/test_stack_report.py::test_this_environment_has_no_problems',
    r'(vitpose (synth|dataset|check)|mim train mmpose) .*\banimals.*|.* my_animals/config\.py': (
        f'{OWN_DATA_PAGE}::test_rendered_animals'
    ),
    r'vitpose (dataset|predict) mouse-project.*|(vitpose (check|export)|mim (train|test) mmpose) my_mice/.*': (
        f'{OWN_DATA_PAGE}::test_a_deeplabcut_project'
    ),
    r'vitpose (dataset yolo-project|check my_yolo_mice/).*': f'{OWN_DATA_PAGE}::test_a_yolo_folder',
    r'mim train mmpose \S+_coco-aic-hand21-256x192\.py': 'integration/test_configs.py::test_config_trains_and_tests',
    r'vitpose train .*': 'integration/test_train_command.py::test_own_data_are_trained_and_reported',
    r'vitpose split .*|mim test mmpose work_dirs/(\w+)\.py --checkpoint work_dirs/\1\.pth': (
        'integration/test_inferencer.py::test_split_model_works_with_mim_test_and_the_inferencer'
    ),
    r'vitpose app model\.onnx': (
        'unit/app/test_gradio_page.py::test_image_from_upload_to_drawn_pose_without_requests_elsewhere'
    ),
    r'vitpose token extract .*': 'unit/cli/test_token.py::test_extract_writes_the_token_and_its_origin',
    r'export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1|torchrun .*': (
        'integration/test_faults.py::test_a_job_with_a_dead_rank_restarts_by_itself'
    ),
}
NOT_HERE = {  # commands that no test runs, and why
    r'git clone .*|cd vitpose_mm|pip install .*|docker build .*|python -m build|uvx .*': 'downloads',
    r'make venv|source .venv/bin/activate': 'the environment that runs the tests',
    r'vitpose app (base|FILE|--detector|model\.onnx --detector).*|vitpose app': (
        'serves until it is stopped; test_gradio_page.py starts it with an exported file'
    ),
    r'mim (train|test) mmpose \S+ .*--gpus \d --launcher pytorch.*': 'needs several GPUs',
    r'C=configs/transfer|mim (train|test) mmpose (configs/(pretrain|synthetic)|\$C)/\S+_synthetic-128x96\.py.*': (
        'trains on 4,800 images; test_pretrain.py and test_distill.py train on 8'
    ),
    r'vitpose cost .* configs/attention/.*': 'takes minutes; tests/unit/cli/test_cost.py measures a tiny config',
    r'python projects/gpu/measure.py .*|mim train mmpose \S+ --gpus 1 --cfg-options compile=True.*': 'needs a GPU',
    r'srun .*|test \$\? = 75|scontrol requeue .*': 'needs SLURM',
}


@pytest.fixture(scope='module')
def commands(root):
    """The commands of every shell block of the pages, with the page's name."""
    lines = {}
    for page in (root / 'README.md', *sorted((root / 'docs').rglob('*.md'))):
        for language, block in re.findall(r'^ *```(\w*)\n(.*?)^ *```$', page.read_text('utf-8'), re.M | re.S):
            assert language, f'{page}: a block without a language'
            for line in block.replace('\\\n', ' ').splitlines() if language in ('bash', 'console', 'sh') else ():
                for command in re.sub(r'(^|\s)#.*', '', line).split(' && '):
                    lines.setdefault(' '.join(command.split()), page.name)
    lines.pop('', None)
    return lines


def find(table, command):
    return next((value for pattern, value in table.items() if re.fullmatch(pattern, command)), None)


def test_every_command_is_in_one_table(root, commands):
    assert len(commands) > 50
    tables = (RUN, ELSEWHERE, NOT_HERE)
    hits = {command: sum(find(table, command) is not None for table in tables) for command in commands}
    assert [f'{commands[command]}: {command}' for command, count in hits.items() if count != 1] == []
    unused = [rule for table in tables for rule in table if not any(re.fullmatch(rule, line) for line in commands)]
    assert unused == []
    for test in ELSEWHERE.values():
        file, _, name = test.partition('::')
        assert f'\ndef {name}(' in (root / 'tests' / file).read_text('utf-8'), test
    for command in commands:  # those that do not run here at least parse, and name configs that exist
        words = shlex.split(command)
        if words[0] == 'vitpose':
            build_parser(words[1:2]).parse_args(words[1:])
        if find(NOT_HERE, command):
            assert all(any(root.glob(word)) for word in words if word.startswith('configs/')), command


@pytest.fixture
def folder(root, tmp_path, tiny_coco, write_config, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path('configs').symlink_to(root / 'configs')
    write_fitted('.')
    write_config(tiny_coco, 'people.json')
    Path('demo').mkdir()
    init_default_scope('mmpose')
    for config, file in (('config.py', 'tiny.pth'), (DEMO_CONFIG, 'demo/model.pth')):
        torch.save(dict(state_dict=MODELS.build(Config.fromfile(config).model).state_dict()), file)
    assert main('synth --out demo/data --train 1 --val 2 --workers 0'.split()) == 0
    Path('photos').symlink_to('demo/data/val')
    Path('photo.jpg').symlink_to(sorted(Path('demo/data/val').iterdir())[0])
    Path('boxes.json').symlink_to('demo/data/annotations/val.json')
    images = [cv2.imread(str(file)) for file in Path('photos').iterdir()]
    video = cv2.VideoWriter('walk.mp4', cv2.VideoWriter.fourcc(*'mp4v'), 10, images[0].shape[1::-1])
    for image in images:
        video.write(image)
    video.release()
    Path('yolox_m').mkdir()
    write_suppressed('yolox_m/end2end.onnx')
    makers.write_coco(tmp_path / 'mice')
    return tmp_path


@pytest.mark.slow
def test_commands_run(commands, folder, run, capsys):
    done = set()
    for line, page in commands.items():
        options = find(RUN, line)
        if options is None:
            continue
        command = f'{line} {options}'
        for name, file in FILES.items():
            command = re.sub(name, file, command)
        if command in done:
            continue
        done.add(command)
        words = shlex.split(command)
        if words[0] == 'mim':
            run(words[1], *words[3:])
        elif 'vitpose' in words:
            try:
                code = main(words[words.index('vitpose') + 1 :])
            except SystemExit as end:
                code = end.code
            assert code == 0, f'{page}: {line}: {command}: {capsys.readouterr().err[-3000:]}'
        else:
            exec(re.search('"(.*)"', command)[1], {})
            assert Path(capsys.readouterr().out.split()[-1]).is_file()
