INSERT INTO jobs VALUES ('backup', 1760000013.0, 1760000014.0, 'Catalog backed up.', 0, 0, NULL), ('all', NULL, NULL, '', 0, 1, 1760000099.0);
