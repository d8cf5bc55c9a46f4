"""The processes that tell an autopilot of the localizer's fixes: they hear topics and send, and hold no algorithm."""
