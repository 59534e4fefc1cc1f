INSERT INTO looks VALUES ('jpeg1-00aa', 1, X'0000803F', X'00FF', 2.5, 0.01, 5.6, 100.0, NULL, 0, 50.0, NULL);
INSERT INTO bursts VALUES ('camera', 'jpeg1-00aa', 1, 'jpeg1-00aa', 'burst'), ('camera', 'jpeg1-00bb', 1, NULL, NULL);
