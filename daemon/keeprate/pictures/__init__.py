"""What a picture is: formats, identity, safe decoding, measured signals, near-duplicates.

Nothing here knows of libraries, catalogs or models, and nothing here ever writes to a file.
"""
