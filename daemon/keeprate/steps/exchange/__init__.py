"""Exchange with other programs: workspaces, checkpoints, sorting a folder into copies."""
