"""A simulated flight into the node as it flies, with faults of images, cameras, clocks, odometry, maps and the system."""
