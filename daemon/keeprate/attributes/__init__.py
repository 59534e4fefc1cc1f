"""Marks in the extended attributes of files: for photo managers whose viewers keep stars or tags there.

KDE and the macOS Finder do. Viewers know several such attributes, the *channels*; beside them keeprate keeps one of its
own, the *claim*, which tells its values from the user's. The photo managers themselves only say which attributes
there are, what they would write, and what the user's values mean (`manager.AttributeManager`).
"""
