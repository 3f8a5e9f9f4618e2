"""Training: the loop that all trainers share, and its components."""
