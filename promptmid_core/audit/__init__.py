"""Where a map lies beside the ground, place by place, by flights whose truth is known."""
