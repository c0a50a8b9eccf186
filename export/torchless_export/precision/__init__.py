"""How numbers are kept in a graph: one file a precision."""
