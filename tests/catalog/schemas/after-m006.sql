BEGIN TRANSACTION;
CREATE TABLE "_sqlite_migrations" (
   "id" INTEGER PRIMARY KEY,
   "migration_set" TEXT,
   "name" TEXT,
   "applied_at" TEXT
);
INSERT INTO "_sqlite_migrations" VALUES(1,'keeprate','m001_write_ahead_log','2026-11-21 14:04:40.467201+00:00');
INSERT INTO "_sqlite_migrations" VALUES(2,'keeprate','m002_tables','2026-11-21 14:04:40.468185+00:00');
INSERT INTO "_sqlite_migrations" VALUES(3,'keeprate','m003_learning','2026-11-21 14:04:40.468974+00:00');
INSERT INTO "_sqlite_migrations" VALUES(4,'keeprate','m004_user_marks','2026-11-21 14:04:40.469498+00:00');
INSERT INTO "_sqlite_migrations" VALUES(5,'keeprate','m005_companions','2026-11-21 14:04:40.469752+00:00');
INSERT INTO "_sqlite_migrations" VALUES(6,'keeprate','m006_bursts','2026-11-21 14:04:40.472374+00:00');
CREATE TABLE bursts (                 -- photos that were compared with the others of their library
    library       TEXT NOT NULL,
    content_key   TEXT NOT NULL REFERENCES photos,
    model_id      INTEGER NOT NULL,   -- whose vectors were compared
    burst         TEXT,               -- content key of its first photo; NULL: nothing else is nearly the same
    kind          TEXT,               -- keeprate.plugin_api.BurstKind
    PRIMARY KEY (library, content_key)
) STRICT;
INSERT INTO "bursts" VALUES('camera','jpeg1-00aa',1,'jpeg1-00aa','burst');
INSERT INTO "bursts" VALUES('camera','jpeg1-00bb',1,NULL,NULL);
CREATE TABLE carried_keys (           -- whose marks of ours a file carries: that of the photo it was exported from
    content_key   TEXT NOT NULL,
    carried       TEXT NOT NULL,
    PRIMARY KEY (content_key, carried)
) STRICT;
INSERT INTO "carried_keys" VALUES('jpeg1-00bb','jpeg1-00aa');
CREATE TABLE companions (             -- pictures of one shot (RAW and JPEG, edited copies), also when parted since
    content_key   TEXT PRIMARY KEY REFERENCES photos,
    leader        TEXT NOT NULL REFERENCES photos    -- the one that stands for all of them; its own row names itself
) STRICT;
INSERT INTO "companions" VALUES('jpeg1-00aa','jpeg1-00aa');
INSERT INTO "companions" VALUES('jpeg1-00bb','jpeg1-00aa');
CREATE TABLE companions_looked (      -- what was known when companions were last looked for; one row
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    rules         INTEGER NOT NULL,   -- keeprate.pictures.companions.RULES
    decoded       INTEGER NOT NULL,   -- photos whose facts were known
    seen_at       REAL NOT NULL       -- files noted since may have companions
) STRICT;
INSERT INTO "companions_looked" VALUES(1,1,2,1760000012.0);
CREATE TABLE embeddings (             -- float32, little-endian, embed_dim of the model
    content_key  TEXT NOT NULL REFERENCES photos,
    model_id     INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    vector       BLOB NOT NULL, file_name TEXT,
    PRIMARY KEY (content_key, model_id)
) STRICT;
INSERT INTO "embeddings" VALUES('jpeg1-00aa',1,X'0000803F00000040',NULL);
INSERT INTO "embeddings" VALUES('jpeg1-00bb',1,X'0000803F00000000',NULL);
INSERT INTO "embeddings" VALUES('jpeg1-00aa',2,X'0000803F0000004000004040','dsc 1');
CREATE TABLE files (                  -- one row a path; a gone path keeps its row
    path         TEXT PRIMARY KEY,
    library      TEXT NOT NULL,
    size         INTEGER NOT NULL,
    mtime_ns     INTEGER NOT NULL,
    ctime_ns     INTEGER NOT NULL,
    inode        INTEGER NOT NULL,
    content_key  TEXT REFERENCES photos, -- NULL: could not be read, see problems
    seen_at      REAL NOT NULL,
    gone_at      REAL
) STRICT;
INSERT INTO "files" VALUES('/p/new/1.jpg','camera',10,20,30,-9223372036854775808,'jpeg1-00aa',1760000000.0,NULL);
INSERT INTO "files" VALUES('/p/keep/é.jpg','camera',11,21,31,41,'jpeg1-00bb',1760000000.0,NULL);
INSERT INTO "files" VALUES('/p/o''clock/3.png','camera',12,22,32,42,'file1-00cc',1760000000.0,1760000009.0);
INSERT INTO "files" VALUES('/p/broken.jpg','camera',-1,23,33,43,NULL,1760000000.0,NULL);
CREATE TABLE first_guesses (          -- for which buckets the first guesses (scores of version 0) were made
    head          TEXT PRIMARY KEY,
    buckets       TEXT NOT NULL       -- JSON array, in order
) STRICT;
INSERT INTO "first_guesses" VALUES('other','["good","bad"]');
CREATE TABLE first_readings (         -- when the marks of a photo were first read, whether there were any or not
    content_key   TEXT PRIMARY KEY,
    library       TEXT NOT NULL,
    folder        TEXT NOT NULL,      -- where it lay
    placed_at     REAL NOT NULL,      -- mtime of the file, or of its latest sidecar
    read_at       REAL NOT NULL
) STRICT;
INSERT INTO "first_readings" VALUES('jpeg1-00aa','camera','/p/new',1760000000.0,1760000001.0);
CREATE TABLE given_marks (            -- every value that keeprate ever showed for a photo: never learned back
    content_key   TEXT NOT NULL,
    channel       TEXT NOT NULL,
    value         TEXT NOT NULL,
    first_at      REAL NOT NULL,
    PRIMARY KEY (content_key, channel, value)
) STRICT;
INSERT INTO "given_marks" VALUES('jpeg1-00aa','rating','4',1760000002.0);
CREATE TABLE given_scores (           -- numbers that a person gave photos elsewhere (score.json), the latest counts
    id            INTEGER PRIMARY KEY,
    content_key   TEXT NOT NULL REFERENCES photos,
    head          TEXT NOT NULL,
    score         REAL NOT NULL,
    source        TEXT NOT NULL,
    at            REAL NOT NULL,
    path          TEXT
) STRICT;
INSERT INTO "given_scores" VALUES(3,'jpeg1-00bb','keep',0.75,'score.json',1760000011.0,'/p/score.json');
CREATE TABLE head_versions (          -- every training, taken into use or not
    head         TEXT NOT NULL,
    version      INTEGER NOT NULL,
    trained_at   REAL NOT NULL,
    kind         TEXT NOT NULL,
    buckets      TEXT NOT NULL,       -- JSON array, in order
    label_counts TEXT NOT NULL,       -- JSON object bucket -> count
    label_hash   TEXT NOT NULL,
    model_id     INTEGER,             -- not a reference: history outlives a removed model
    fingerprint  TEXT NOT NULL,
    threshold    REAL,
    metrics      TEXT NOT NULL,       -- JSON object
    file         TEXT,                -- below the heads folder; NULL: not kept
    in_use       INTEGER NOT NULL DEFAULT 0 CHECK (in_use IN (0, 1)),
    promoted     INTEGER NOT NULL DEFAULT 0 CHECK (promoted IN (0, 1)), -- was ever in use
    reason       TEXT NOT NULL, candidates TEXT NOT NULL DEFAULT '[]', details TEXT NOT NULL DEFAULT '{}',       -- why it was taken into use, or not
    PRIMARY KEY (head, version)
) STRICT;
INSERT INTO "head_versions" VALUES('keep',1,1760000006.0,'logistic','["keep","delete"]','{"keep":1,"delete":1}','h',1,'f1',0.5,'{}','keep-1.safetensors',1,1,'the first','[{"kind":"logistic"}]','{"prior":0.5}');
INSERT INTO "head_versions" VALUES('keep',2,1760000007.0,'logistic','["keep","delete"]','{"keep":2,"delete":1}','i',1,'f1',NULL,'{}',NULL,0,0,'no better','[]','{}');
CREATE TABLE journal (                -- every change to anything that is not keeprate's own
    id           INTEGER PRIMARY KEY,
    run_id       INTEGER NOT NULL REFERENCES runs,
    library      TEXT NOT NULL,
    manager      TEXT NOT NULL,       -- the photo manager's entry-point name
    path         TEXT NOT NULL,
    field        TEXT NOT NULL,
    content_key  TEXT,
    before       BLOB,
    after        BLOB,
    state        TEXT NOT NULL CHECK (state IN ('planned', 'done', 'undone', 'dropped')),
    at           REAL NOT NULL
) STRICT;
INSERT INTO "journal" VALUES(1,1,'camera','xmp','/p/new/1.xmp','stars','jpeg1-00aa',NULL,X'35','done',1760000008.0);
INSERT INTO "journal" VALUES(2,1,'camera','order','/p/by score/1.jpg','link',NULL,X'',X'2F70','done',1760000008.0);
INSERT INTO "journal" VALUES(3,1,'camera','xmp','/p/2.xmp','stars','jpeg1-00bb',X'33',X'34','dropped',1760000008.0);
INSERT INTO "journal" VALUES(7,2,'camera','xmp','/p/2.xmp','stars','jpeg1-00bb',X'33',X'34','planned',1760000010.0);
CREATE TABLE journal_to_recall (      -- entries older than given_marks: what they showed is still to be told
    id            INTEGER PRIMARY KEY
) STRICT;
INSERT INTO "journal_to_recall" VALUES(1);
CREATE TABLE labels (                 -- append-only; the latest row of a photo and head counts
    id           INTEGER PRIMARY KEY,
    content_key  TEXT NOT NULL REFERENCES photos,
    head         TEXT NOT NULL,
    bucket       TEXT,                -- NULL: withdrawn
    source       TEXT NOT NULL,       -- move, folder, trash, rating, web, csv, …
    at           REAL NOT NULL,
    path         TEXT                 -- where the file lay that told
) STRICT;
INSERT INTO "labels" VALUES(1,'jpeg1-00aa','keep','keep','move',1760000003.0,'/p/keep/1.jpg');
INSERT INTO "labels" VALUES(2,'jpeg1-00aa','keep',NULL,'folder',1760000004.0,NULL);
INSERT INTO "labels" VALUES(5,'jpeg1-00bb','keep','delete','trash',1760000005.0,'/p/2.jpg');
CREATE TABLE libraries (              -- what was last seen of each library's root
    name         TEXT PRIMARY KEY,
    root         TEXT NOT NULL,
    device       INTEGER,             -- st_dev and st_ino of the root when last online
    inode        INTEGER,
    offline      TEXT,                -- why it is offline; NULL: online
    scanned_at   REAL                 -- unix seconds, as every time in this file
) STRICT;
INSERT INTO "libraries" VALUES('camera','/p',2049,77,NULL,1760000000.5);
INSERT INTO "libraries" VALUES('Ünterwegs','/q',NULL,NULL,'its folder is not there',NULL);
CREATE TABLE looks (                  -- what a look at a photo told beside its signals, to compare near-duplicates
    content_key   TEXT PRIMARY KEY REFERENCES photos,
    version       INTEGER NOT NULL,   -- keeprate.pictures.technical.TECHNICAL_VERSION
    technical     BLOB NOT NULL,      -- float32 in the order of keeprate.pictures.technical.TECHNICAL_NAMES
    thumbnail     BLOB NOT NULL,      -- 32 x 32 grey levels
    quantisation  REAL,               -- of a JPEG: mean step of its luminance table
    seconds       REAL,               -- exposure time; this and the rest: NULL where the file does not say
    f_number      REAL,
    iso           REAL,
    bias          REAL,               -- exposure compensation in EV
    bracketed     INTEGER NOT NULL,   -- Exif ExposureMode 2
    focal_length  REAL,               -- mm
    subject_distance REAL             -- m
) STRICT;
INSERT INTO "looks" VALUES('jpeg1-00aa',1,X'0000803F',X'00FF',2.5,0.01,5.6,100.0,NULL,0,50.0,NULL);
CREATE TABLE marks_read (             -- how a file and its sidecars looked when their marks were read
    path          TEXT PRIMARY KEY,
    library       TEXT NOT NULL,
    signature     TEXT NOT NULL
) STRICT;
INSERT INTO "marks_read" VALUES('/p/new/1.jpg','camera','10:20');
CREATE TABLE models (                 -- registered vision models
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    path         TEXT NOT NULL,       -- Hugging Face id, folder, or 'builtin'
    revision     TEXT,
    embed_dim    INTEGER,             -- NULL until first loaded
    fingerprint  TEXT,                -- weights + preprocessing + pooling; NULL until first loaded
    active       INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1))
) STRICT;
INSERT INTO "models" VALUES(1,'builtin','builtin',NULL,2,'f1',1);
INSERT INTO "models" VALUES(2,'clip','openai/clip','abc',3,'f2',0);
CREATE TABLE out_of_fold (            -- what a training said about each labelled photo without having seen it
    head          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    content_key   TEXT NOT NULL REFERENCES photos,
    bucket        TEXT NOT NULL,      -- what the person had said by then
    chosen        TEXT NOT NULL,      -- what the head would have said
    probabilities BLOB NOT NULL,      -- float32, one per bucket, in the order of head_versions.buckets
    PRIMARY KEY (head, version, content_key)
) STRICT;
INSERT INTO "out_of_fold" VALUES('keep',1,'jpeg1-00aa','keep','delete',X'0000803E0000403F');
CREATE TABLE photos (                 -- one row a picture content; outlives its files
    content_key  TEXT PRIMARY KEY,
    first_seen   REAL NOT NULL,
    first_folder TEXT NOT NULL,       -- where it was first seen: its shoot, whatever bucket it is in now
    format       TEXT,                -- this and the rest: known once decoded
    width        INTEGER,             -- upright
    height       INTEGER,
    taken_at     REAL,                -- camera's local time taken as UTC: only differences matter
    camera       TEXT,
    perceptual_hash INTEGER           -- 64-bit pHash, signed
) STRICT;
INSERT INTO "photos" VALUES('jpeg1-00aa',1760000000.0,'/p/new','jpeg',4000,3000,1750000000.0,'A camera',-5);
INSERT INTO "photos" VALUES('jpeg1-00bb',1760000001.0,'/p/new',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "photos" VALUES('file1-00cc',1760000002.0,'/p/o''clock','png',1,1,NULL,NULL,0);
CREATE TABLE problems (               -- what could not be done, and why; asked again when the file changes
    step         TEXT NOT NULL,       -- walk, read, decode, embed, label, write
    path         TEXT NOT NULL,
    library      TEXT,
    content_key  TEXT,
    reason       TEXT NOT NULL,
    count        INTEGER NOT NULL DEFAULT 1,
    first_at     REAL NOT NULL,
    last_at      REAL NOT NULL,
    keeprate     TEXT NOT NULL,       -- the version that failed: a newer one tries again
    PRIMARY KEY (step, path)
) STRICT;
INSERT INTO "problems" VALUES('read','/p/broken.jpg','camera',NULL,'the file is empty',3,1760000000.0,1760000001.0,'0.1.0');
CREATE TABLE runs (                   -- what was done, when, with what outcome
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,       -- scan, embed, train, score, write, undo
    started_at   REAL NOT NULL,
    finished_at  REAL,                -- NULL: still running, or killed
    outcome      TEXT,                -- one sentence
    counts       TEXT                 -- JSON object
) STRICT;
INSERT INTO "runs" VALUES(1,'write',1760000008.0,1760000009.0,'done','{"written":2}');
INSERT INTO "runs" VALUES(2,'write',1760000010.0,NULL,NULL,NULL);
CREATE TABLE said_values (            -- every value that was ever read as the user's
    content_key   TEXT NOT NULL,
    channel       TEXT NOT NULL,      -- keeprate.plugin_api.Channel
    value         TEXT NOT NULL,
    library       TEXT NOT NULL,
    placed_at     REAL NOT NULL,      -- mtime of the file (or its latest sidecar) when the value was first seen there
    born          INTEGER NOT NULL,   -- 1: it stood there when the photo's marks were first read
    held          TEXT,               -- why it is not learned without asking: echo, moment, born; NULL: it is not held
    held_group    TEXT,               -- what is asked about together
    decision      TEXT CHECK (decision IN ('accepted', 'ignored')),
    PRIMARY KEY (content_key, channel, value)
) STRICT;
INSERT INTO "said_values" VALUES('jpeg1-00aa','rating','5','camera',1760000000.0,1,'moment','g1',NULL);
INSERT INTO "said_values" VALUES('jpeg1-00bb','rating','1','camera',1760000000.0,0,NULL,NULL,'accepted');
CREATE TABLE scores (
    content_key   TEXT NOT NULL REFERENCES photos,
    head          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    score         REAL NOT NULL,      -- probability of the head's first bucket
    probabilities BLOB NOT NULL,      -- float32, one per bucket
    PRIMARY KEY (content_key, head)
) STRICT;
INSERT INTO "scores" VALUES('jpeg1-00aa','keep',1,0.25,X'0000803E0000403F');
CREATE TABLE signals (                -- float32 vector in the order of keeprate.pictures.signals.SIGNAL_NAMES
    content_key  TEXT PRIMARY KEY REFERENCES photos,
    version      INTEGER NOT NULL,
    vector       BLOB NOT NULL
) STRICT;
INSERT INTO "signals" VALUES('jpeg1-00aa',1,X'0000803F');
CREATE TABLE taken_marks (            -- what the marks of a photo said when they were last taken into account
    content_key   TEXT NOT NULL,
    head          TEXT NOT NULL,
    bucket        TEXT,               -- NULL: nothing any more
    PRIMARY KEY (content_key, head)
) STRICT;
INSERT INTO "taken_marks" VALUES('jpeg1-00aa','keep','keep');
INSERT INTO "taken_marks" VALUES('jpeg1-00bb','keep',NULL);
CREATE TABLE user_marks (             -- what the user says about a file now, in the places of one photo manager
    path          TEXT NOT NULL,
    manager       TEXT NOT NULL,
    library       TEXT NOT NULL,
    content_key   TEXT NOT NULL,
    rating        INTEGER,            -- -1, 1-5; NULL: none
    colour        TEXT,
    pick          TEXT,
    keywords      TEXT NOT NULL DEFAULT '[]',   -- JSON array
    PRIMARY KEY (path, manager)
) STRICT;
INSERT INTO "user_marks" VALUES('/p/new/1.jpg','xmp','camera','jpeg1-00aa',5,'red','accepted','["sea","ski"]');
CREATE UNIQUE INDEX "idx__sqlite_migrations_migration_set_name"
    ON "_sqlite_migrations" ("migration_set", "name");
CREATE UNIQUE INDEX one_active_model ON models (active) WHERE active = 1;
CREATE INDEX files_by_content ON files (content_key);
CREATE INDEX files_by_library ON files (library, gone_at);
CREATE INDEX embeddings_by_model ON embeddings (model_id, content_key);
CREATE INDEX labels_by_photo ON labels (head, content_key, id);
CREATE UNIQUE INDEX one_version_in_use ON head_versions (head) WHERE in_use = 1;
CREATE INDEX scores_by_head ON scores (head, score);
CREATE INDEX journal_by_place ON journal (manager, path, field, id);
CREATE INDEX journal_by_state ON journal (state, manager);
CREATE INDEX problems_by_content ON problems (content_key, step);
CREATE INDEX given_scores_by_photo ON given_scores (head, content_key, id);
CREATE INDEX user_marks_by_photo ON user_marks (content_key);
CREATE INDEX marks_read_by_library ON marks_read (library);
CREATE INDEX said_values_held ON said_values (held_group) WHERE held_group IS NOT NULL;
CREATE INDEX companions_by_leader ON companions (leader);
CREATE INDEX bursts_by_burst ON bursts (library, burst) WHERE burst IS NOT NULL;
COMMIT;
