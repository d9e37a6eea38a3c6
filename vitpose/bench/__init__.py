"""Speed of prediction side by side: ours and other tools with the same weights, people and boxes, in one run."""
