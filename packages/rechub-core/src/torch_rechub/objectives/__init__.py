"""What a task minimizes: losses of rows, pairs, lists, in-batch negatives, next items, tasks."""
