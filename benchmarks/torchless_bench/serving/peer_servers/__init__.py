"""The servers that people write: each a file that is run with an interpreter of its own."""
