"""The paper's schedule for multi-dataset training: twice the batch size and lr of `adamw_210e.py`."""

_base_ = './adamw_210e.py'

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=1024)  # 8 GPUs x 128
