"""What watches a training run: meters, sample grids, evaluations, progress, checkpoints."""
