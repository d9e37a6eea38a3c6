"""ViTPose-B with the classic decoder on COCO at 224x224."""

_base_ = './vitpose-base_coco-256x192.py'

from vitpose_mm.input_size import set_input_size

set_input_size(_base_, height=224, width=224)
