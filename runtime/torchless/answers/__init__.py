"""What the arrays of a graph become: activations, poolings, rankings."""
