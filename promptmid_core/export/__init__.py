"""From a trained profile to a network that other runtimes read, and how far its answers differ."""
