"""Servers that people write around transformers; each file is a program for an interpreter that has its packages."""
