"""Worlds of known truth: terrain, land use, and what camera and radar see of them."""
