"""In-memory tables, batched loading, public data sets and synthetic logs."""
