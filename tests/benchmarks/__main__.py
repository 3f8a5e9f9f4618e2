"""Compares this repository with its peers: python tests/benchmarks JOB, as README.md says."""

from harness.cli import main

main()
