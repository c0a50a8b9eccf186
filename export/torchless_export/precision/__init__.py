"""How numbers are kept in a graph: one file per precision."""
