"""Scenes as files: a world, its map and a flight over it, and what the flight has to come to."""
