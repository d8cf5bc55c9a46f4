"""Whether a flight can be localized, said before it: heights that a camera and a map call for, and where frames will match."""
