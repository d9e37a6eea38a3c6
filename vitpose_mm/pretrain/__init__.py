"""Pre-training without labels: masked autoencoding."""

from .autoencoder import MaskedAutoencoder
from .mae_checkpoint import to_mae, to_transformers

__all__ = ['MaskedAutoencoder', 'to_mae', 'to_transformers']
