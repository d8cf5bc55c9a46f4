"""A reference map to look at before flight."""
