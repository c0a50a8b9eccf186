"""Benchmarks against PyTorch."""
