"""Metrics as plain floats: of predictions, of recommended lists, of retrieval."""
