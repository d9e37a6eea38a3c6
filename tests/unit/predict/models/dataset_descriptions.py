"""What the shipped configs say through MMPose about each dataset; run as a module, it writes datasets.json."""

import json
from pathlib import Path

from mmpose.registry import KEYPOINT_CODECS

from vitpose.models.catalogue import MSRA, read_catalogue
from vitpose.predict.models.description import DATASETS
from vitpose.predict.models.file_info import codec_fields, metainfo_fields
from vitpose.predict.models.torch_model import head_names, read_config, read_test_set, select_keypoints
from vitpose.shipped import TOP
from vitpose_mm.estimators.plain_model import split_config

FOLDERS = 'aic ap10k apt36k coco coco25 crowdpose halpe26 hand humanart mpii ochuman wholebody'.split()
SHARED = TOP / 'configs/multi_dataset/vitpose-plus-base_six-sets-256x192.py'


def leaves() -> list[Path]:
    names = ('vitpose-base_*-256x192.py', 'vitpose-base_*-256x256.py')
    files = {file.name: file for name in names for folder in FOLDERS for file in (TOP / 'configs' / folder).glob(name)}
    return [file for name, file in sorted(files.items()) if 'test-dev' not in name]


def describe(cfg, name):
    rule, meta = read_test_set(cfg, name)
    fields = metainfo_fields(select_keypoints(meta, list(range(meta['num_keypoints']))))
    codec = codec_fields(KEYPOINT_CODECS.build(cfg.model.head.decoder))
    del fields['bits'], fields['objects'], fields['license'], codec['input_size'], codec['heatmap_size']
    settings = dict(padding=rule.padding, use_udp=rule.use_udp, codec=codec, metric=fields.pop('metric'))
    return fields, settings | dict(shift_heatmap=cfg.model.test_cfg.shift_heatmap)


def describe_all() -> dict:
    described = {}
    for leaf in leaves():
        fields, settings = describe(*read_config(leaf))
        entry = described.setdefault(fields.pop('dataset'), dict(fields, alone=settings))
        assert entry == dict(fields, alone=settings), leaf
    cfg, name = read_config(SHARED)
    for dataset in head_names(cfg):
        fields, settings = describe(split_config(cfg, dataset), name)
        assert described[fields.pop('dataset')].items() >= fields.items()
        described[dataset]['shared'] = settings
    for model in read_catalogue():
        if model.codec:  # published for one dataset, but trained on several
            cfg, name = read_config(TOP / model.config)
            cfg.merge_from_dict(MSRA)
            fields, settings = describe(cfg, name)
            assert described[fields['dataset']].setdefault('shared', settings) == settings, model.name
    return json.loads(json.dumps(described))


if __name__ == '__main__':
    lines = (f'{json.dumps(name)}: {json.dumps(entry)}' for name, entry in sorted(describe_all().items()))
    DATASETS.write_text('{\n' + ',\n'.join(lines) + '\n}\n', encoding='utf-8')
