"""Torch architectures: what a trained profile's network is made of."""
