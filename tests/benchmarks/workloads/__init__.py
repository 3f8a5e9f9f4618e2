"""The work that every peer is given: data made from a seed, how a run is set up and answers."""
