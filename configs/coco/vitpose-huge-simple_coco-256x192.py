"""ViTPose-H with the simple decoder on COCO at 256x192."""

_base_ = './vitpose-huge_coco-256x192.py'

model = dict(head=dict(type='SimpleHead'))
