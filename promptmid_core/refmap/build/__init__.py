"""A reference map made before flight: planned, tiled, built by workers, extended and repaired."""
