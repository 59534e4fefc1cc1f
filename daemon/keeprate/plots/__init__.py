"""Pictures of figures, drawn with matplotlib (extra `plots`) and handed over as PNG bytes; nothing is written here."""
