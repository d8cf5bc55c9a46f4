"""The SAR side of a map: products, amplitudes, speckle, layover, and scenes laid beside each other."""
