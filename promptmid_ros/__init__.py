"""The ROS 2 face of promptmid_core: messages, parameters, lifecycle and diagnostics. No algorithm lives here."""
