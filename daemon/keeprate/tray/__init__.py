"""The tray icon: a process of its own in the graphical session, and a client of the api."""
