"""Statistics of columns that add up: of blocks, of shards, of processes."""
