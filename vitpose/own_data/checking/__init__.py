"""Find what is wrong with images and annotations."""
