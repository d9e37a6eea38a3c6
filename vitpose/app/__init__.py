"""The web page of `vitpose app`."""

MAX_IMAGE_PIXELS = 100_000_000  # of an upload, and OpenCV's own limit, which is set before OpenCV is imported
