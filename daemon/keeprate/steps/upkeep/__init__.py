"""What keeps keeprate itself in order: backups of the catalog, checks for damage, thumbnails."""
