"""What the localizer publishes, free of ROS: topics, the content of their messages as plain values, diagnostics, pictures."""
