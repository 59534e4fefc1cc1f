"""The local page, served beside the api: how things stand, and photos to look at."""
