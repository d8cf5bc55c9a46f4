"""Flights of known truth over any orthophoto."""
