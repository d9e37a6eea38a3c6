"""What is read from heatmaps: peaks, spread, keypoints in pixels, calibrated scores and presence; pure torch."""
