"""Speed of prediction with several backends, and of training, measured side by side."""
