"""A filter of someone else's in the loop: its estimate is the localizer's prior, the localizer's fixes are its measurements."""
