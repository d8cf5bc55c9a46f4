"""What a replay leaves for other programs: tables, trajectories, a track on the globe, a bag of the node's topics."""
