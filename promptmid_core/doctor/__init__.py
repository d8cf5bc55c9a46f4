"""What is installed, what runs, and how long a frame takes on this machine."""
