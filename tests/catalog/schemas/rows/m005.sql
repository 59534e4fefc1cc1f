INSERT INTO companions VALUES ('jpeg1-00aa', 'jpeg1-00aa'), ('jpeg1-00bb', 'jpeg1-00aa');
INSERT INTO companions_looked VALUES (1, 1, 2, 1760000012.0);
