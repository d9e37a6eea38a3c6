"""Derive what the annotations do not say: a split, left and right, boxes, network, recipe."""
