"""Predict poses in images and videos: sources, boxes, crops, network, tracking, drawing and output files."""
