"""Tokens to arrays: graphs on a device, and how long lists are cut and spread over CPUs."""
