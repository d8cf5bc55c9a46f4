"""Training: data, losses, stages, and what comes out of them. Needs the extra [train]."""
