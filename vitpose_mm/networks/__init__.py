"""Whole networks and their decoding in pure torch, nothing of OpenMMLab."""
