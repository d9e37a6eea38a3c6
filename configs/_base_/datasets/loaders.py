"""How data are loaded, whichever they are. With 8 GPUs a training batch has 512 samples."""

data_mode = 'topdown'  # read by MMPose's inferencers, as is the dataset_type of each set
train_dataloader = dict(
    batch_size=64,
    num_workers=4,
    persistent_workers=False,  # EpochSeedHook seeds workers as they start
    sampler=dict(type='DefaultSampler', shuffle=True),
)
val_dataloader = dict(
    batch_size=32, num_workers=4, drop_last=False, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)
)
test_dataloader = val_dataloader
