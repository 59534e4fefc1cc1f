INSERT INTO libraries VALUES ('camera', '/p', 2049, 77, NULL, 1760000000.5), ('Ünterwegs', '/q', NULL, NULL, 'its folder is not there', NULL);
INSERT INTO models (id, name, path, revision, embed_dim, fingerprint, active) VALUES (2, 'clip', 'openai/clip', 'abc', 3, 'f2', 0);
UPDATE models SET embed_dim = 2, fingerprint = 'f1' WHERE id = 1;
INSERT INTO photos VALUES ('jpeg1-00aa', 1760000000.0, '/p/new', 'jpeg', 4000, 3000, 1750000000.0, 'A camera', -5),
    ('jpeg1-00bb', 1760000001.0, '/p/new', NULL, NULL, NULL, NULL, NULL, NULL), ('file1-00cc', 1760000002.0, '/p/o''clock', 'png', 1, 1, NULL, NULL, 0);
INSERT INTO files VALUES ('/p/new/1.jpg', 'camera', 10, 20, 30, -9223372036854775808, 'jpeg1-00aa', 1760000000.0, NULL),
    ('/p/keep/é.jpg', 'camera', 11, 21, 31, 41, 'jpeg1-00bb', 1760000000.0, NULL), ('/p/o''clock/3.png', 'camera', 12, 22, 32, 42, 'file1-00cc', 1760000000.0, 1760000009.0),
    ('/p/broken.jpg', 'camera', -1, 23, 33, 43, NULL, 1760000000.0, NULL);
INSERT INTO embeddings (content_key, model_id, vector) VALUES ('jpeg1-00aa', 1, X'0000803F00000040'), ('jpeg1-00bb', 1, X'0000803F00000000'), ('jpeg1-00aa', 2, X'0000803F0000004000004040');
INSERT INTO signals VALUES ('jpeg1-00aa', 1, X'0000803F');
INSERT INTO labels VALUES (1, 'jpeg1-00aa', 'keep', 'keep', 'move', 1760000003.0, '/p/keep/1.jpg'), (2, 'jpeg1-00aa', 'keep', NULL, 'folder', 1760000004.0, NULL), (5, 'jpeg1-00bb', 'keep', 'delete', 'trash', 1760000005.0, '/p/2.jpg');
INSERT INTO head_versions (head, version, trained_at, kind, buckets, label_counts, label_hash, model_id, fingerprint, threshold, metrics, file, in_use, promoted, reason)
    VALUES ('keep', 1, 1760000006.0, 'logistic', '["keep","delete"]', '{"keep":1,"delete":1}', 'h', 1, 'f1', 0.5, '{}', 'keep-1.safetensors', 1, 1, 'the first'),
    ('keep', 2, 1760000007.0, 'logistic', '["keep","delete"]', '{"keep":2,"delete":1}', 'i', 1, 'f1', NULL, '{}', NULL, 0, 0, 'no better');
INSERT INTO scores VALUES ('jpeg1-00aa', 'keep', 1, 0.25, X'0000803E0000403F');
INSERT INTO runs VALUES (1, 'write', 1760000008.0, 1760000009.0, 'done', '{"written":2}'), (2, 'write', 1760000010.0, NULL, NULL, NULL);
INSERT INTO journal VALUES (1, 1, 'camera', 'xmp', '/p/new/1.xmp', 'stars', 'jpeg1-00aa', NULL, X'35', 'done', 1760000008.0),
    (2, 1, 'camera', 'order', '/p/by score/1.jpg', 'link', NULL, X'', X'2F70', 'done', 1760000008.0), (3, 1, 'camera', 'xmp', '/p/2.xmp', 'stars', 'jpeg1-00bb', X'33', X'34', 'dropped', 1760000008.0),
    (7, 2, 'camera', 'xmp', '/p/2.xmp', 'stars', 'jpeg1-00bb', X'33', X'34', 'planned', 1760000010.0);
INSERT INTO problems VALUES ('read', '/p/broken.jpg', 'camera', NULL, 'the file is empty', 3, 1760000000.0, 1760000001.0, '0.1.0');
