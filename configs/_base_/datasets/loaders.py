"""Data loaders of all datasets. The training batch size is 512 with 8 GPUs."""

data_mode = 'topdown'  # read by MMPose's inferencers, like the dataset_type of each dataset
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds workers when they start
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=32, num_workers=4, drop_last=False, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)
)
test_dataloader = val_dataloader
