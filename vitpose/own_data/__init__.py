"""A user's annotated images: read, check, split, and write as a dataset that MMPose trains on."""
