"""Whether keypoints are inside the crop, and visible: model = dict(head=_base_.presence), with our codecs."""

presence = dict(presence=True, decoder=dict(presence=True))
