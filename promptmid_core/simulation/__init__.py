"""Worlds and flights of known truth."""
