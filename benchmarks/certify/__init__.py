"""Whether a flight can be fooled, by counts: decoys flown, their false fixes, and how honest the hypotheses are."""
