"""What an autopilot is told of fixes: when, carried how far, how sure, and in which message."""
