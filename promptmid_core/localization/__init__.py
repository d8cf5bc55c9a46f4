"""Tie points and a prior in; a pose with its covariance, or a reason, out."""
