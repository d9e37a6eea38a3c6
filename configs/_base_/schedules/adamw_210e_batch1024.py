"""The paper's training on several data sets: twice the batch and twice the lr of a single one's."""

_base_ = './adamw_210e.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=1024)  # 8 GPUs x 128
