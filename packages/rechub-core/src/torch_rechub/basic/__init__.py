"""Building blocks: features, layers, losses, metrics, early stopping and experiment logging."""
