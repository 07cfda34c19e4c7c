"""Training: the loop, its settings, the run's folder and the watch over it."""
