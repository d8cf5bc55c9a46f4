"""What rehearses a flight and never flies: a bag played, a node started, its outputs recorded."""
