"""Heads: training, taking into use, scoring, and explaining what they say."""
