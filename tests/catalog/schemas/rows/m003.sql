UPDATE head_versions SET candidates = '[{"kind":"logistic"}]', details = '{"prior":0.5}' WHERE version = 1;
UPDATE embeddings SET file_name = 'dsc 1' WHERE model_id = 2;
INSERT INTO out_of_fold VALUES ('keep', 1, 'jpeg1-00aa', 'keep', 'delete', X'0000803E0000403F');
INSERT INTO given_scores VALUES (3, 'jpeg1-00bb', 'keep', 0.75, 'score.json', 1760000011.0, '/p/score.json');
INSERT INTO first_guesses VALUES ('other', '["good","bad"]');
