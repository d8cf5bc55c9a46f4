"""Flights replayed against a map, and what they were worth."""
