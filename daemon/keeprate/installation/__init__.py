"""keeprate as a service of the user's session: systemd, launchd, autostart of the tray."""
