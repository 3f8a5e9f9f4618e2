"""The commands of `rechub`: each module adds its sub-parser (`add`) and runs it."""
