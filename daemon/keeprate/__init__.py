"""keeprate: learns from the photos you keep and delete, and sorts the rest where you look at them."""

__version__ = "0.1.0"
