INSERT INTO user_marks VALUES ('/p/new/1.jpg', 'xmp', 'camera', 'jpeg1-00aa', 5, 'red', 'accepted', '["sea","ski"]');
INSERT INTO marks_read VALUES ('/p/new/1.jpg', 'camera', '10:20');
INSERT INTO first_readings VALUES ('jpeg1-00aa', 'camera', '/p/new', 1760000000.0, 1760000001.0);
INSERT INTO said_values VALUES ('jpeg1-00aa', 'rating', '5', 'camera', 1760000000.0, 1, 'moment', 'g1', NULL), ('jpeg1-00bb', 'rating', '1', 'camera', 1760000000.0, 0, NULL, NULL, 'accepted');
INSERT INTO taken_marks VALUES ('jpeg1-00aa', 'keep', 'keep'), ('jpeg1-00bb', 'keep', NULL);
INSERT INTO given_marks VALUES ('jpeg1-00aa', 'rating', '4', 1760000002.0);
INSERT INTO carried_keys VALUES ('jpeg1-00bb', 'jpeg1-00aa');
INSERT INTO journal_to_recall VALUES (1);
