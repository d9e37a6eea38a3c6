"""COCO trained and validated as usual; tests write the result file that the server of COCO test-dev evaluates."""

_base_ = './coco_files.py'

test_dataloader = dict(
    dataset=dict(
        ann_file='annotations/image_info_test-dev2017.json',
        bbox_file=_base_.data_root + 'person_detection_results/COCO_test-dev2017_detections_AP_H_609_person.json',
        data_prefix=dict(img='test2017/'),
    )
)
test_evaluator = dict(
    ann_file=_base_.data_root + 'annotations/image_info_test-dev2017.json',
    format_only=True,
    outfile_prefix='work_dirs/coco_test-dev/person',
)
