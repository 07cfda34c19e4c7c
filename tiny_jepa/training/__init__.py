"""Training: the loop, the run's folder, and what is said of both."""
