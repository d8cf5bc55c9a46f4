"""Hostile input without end: `make fuzz`. A target a file; each case is made anew from a seed and its number."""
