"""Speed side by side in one run: of prediction, ours and other tools, and of training."""
