"""A bundle: where it is found, what its files must hold, and how it is opened and checked."""
