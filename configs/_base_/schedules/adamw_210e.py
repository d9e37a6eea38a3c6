"""Training schedule of the paper: AdamW, 210 epochs, lr x 0.1 at epochs 170 and 200, batch size 512.

`paramwise_cfg.layer_decay_rate` depends on the model size; leaf configs take it from `_base_/models`. The forward pass
runs in bf16; `--cfg-options optim_wrapper.dtype=float32` is fp32, with TF32 products on a GPU, as in the paper's code.
"""

train_cfg = dict(by_epoch=True, max_epochs=210, val_interval=10)
optim_wrapper = dict(
    type='AutocastOptimWrapper',
    constructor='ViTLayerDecayOptimWrapperConstructor',
    optimizer=dict(type='FusedAdamW', lr=5e-4, betas=(0.9, 0.999), weight_decay=0.1),
    clip_grad=dict(max_norm=1.0, norm_type=2),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=1e-3, by_epoch=False, begin=0, end=500),
    dict(type='MultiStepLR', milestones=[170, 200], gamma=0.1, by_epoch=True, begin=0, end=210),
]
auto_scale_lr = dict(base_batch_size=512)  # 8 GPUs x 64; with `--auto-scale-lr`, lr is scaled to your batch size
