"""Networks to predict with: a config and checkpoint in torch, or an exported file; and how they crop."""
