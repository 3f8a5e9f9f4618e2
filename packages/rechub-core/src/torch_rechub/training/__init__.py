"""Training: the loop that all trainers share, and what it is made of."""
