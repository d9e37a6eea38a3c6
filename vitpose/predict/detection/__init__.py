"""Find the people or objects of images: detectors, and two passes of the pose model itself."""
