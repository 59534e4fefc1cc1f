"""`keeprate doctor`: is everything here that keeprate needs, and what to do where it is not."""
