"""HTTP: the daemon's api on a unix socket and, for the page, on 127.0.0.1; and the client that speaks to it."""
