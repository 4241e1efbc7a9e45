"""One training loop for every generator: budget, data order, checkpoints, bundle."""
