"""Bodies: joints and their limits, poses, colors, and the species that combine them."""
