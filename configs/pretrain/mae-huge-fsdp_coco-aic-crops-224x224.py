"""MAE of ViT-H with fully sharded data parallel; docs/pretraining.md says how to start it."""

_base_ = './mae-huge_coco-aic-crops-224x224.py'

runner_type = 'FlexibleRunner'
strategy = dict(
    type='FSDPStrategy',
    model_wrapper=dict(type='MMFullyShardedDataParallel', auto_wrap_policy='wrap_blocks', use_orig_params=True),
    state_dict_cfg='full',
)
