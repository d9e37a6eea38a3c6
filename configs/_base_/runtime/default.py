"""Hooks, logging and seed of all runs."""

default_scope = 'mmpose'
custom_imports = dict(imports=['vitpose_mm'], allow_failed_imports=False)
val_cfg = dict()
test_cfg = dict()

default_hooks = dict(
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=50),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CompleteCheckpointHook', interval=10, save_best='coco/AP', rule='greater', max_keep_ckpts=1),
    sampler_seed=dict(type='DistSamplerSeedHook'),
    visualization=dict(type='PoseVisualizationHook', enable=False),
    badcase=dict(type='BadCaseAnalysisHook', enable=False, out_dir='badcase', metric_type='loss', badcase_thr=5),
)
custom_hooks = [
    dict(type='EpochSeedHook'),  # uses randomness.seed; a resumed run gives the same result as an uninterrupted one
    dict(type='PreemptionHook'),
    dict(type='FailureReportHook'),
    dict(type='BadImageHook'),
    dict(type='NonFiniteHook'),
    dict(type='SyncBuffersHook'),
    dict(type='RunCheckHook'),
]
randomness = dict(seed=0)

env_cfg = dict(
    cudnn_benchmark=False, mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0), dist_cfg=dict(backend='nccl')
)
visualizer = dict(type='PoseLocalVisualizer', name='visualizer', vis_backends=[dict(type='TolerantVisBackend')])
log_processor = dict(type='LogProcessor', window_size=50, by_epoch=True, num_digits=6)
log_level = 'INFO'
load_from = None
resume = False
