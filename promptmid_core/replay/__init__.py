"""Flights replayed against a map, methods run on pairs of images, and what they were worth."""
