"""The work that every peer is given: data made from a seed, and how a run is told and answers."""
