"""Recorded flights: messages read by the names of their fields, and bags written and read without ROS."""
