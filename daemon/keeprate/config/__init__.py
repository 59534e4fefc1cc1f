"""The one TOML file that says which folders are watched, what the buckets are and where marks go.

`models` says what may stand in it (the reference page is generated from there), `load` reads it and turns every
mistake into a sentence, `edit` extends it without losing the user's comments.
"""
