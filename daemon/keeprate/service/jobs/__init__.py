"""What the daemon does: one class for each kind of work, which says whether there is some and does it."""
