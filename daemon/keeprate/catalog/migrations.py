"""The shape of the catalog, step by step. Steps are never edited once released; new ones are appended."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("keeprate")


def is_newer(db: Database) -> bool:
    """Whether a newer keeprate has migrated this catalog further than we know."""
    known = {migration.name for migration in MIGRATIONS.pending(Database(memory=True))}
    return any(applied.name not in known for applied in MIGRATIONS.applied(db))


def number_of(name: str) -> int:
    """The number of the step called `name`: 7 of `m007_jobs`."""
    return int(name[1:4])


@MIGRATIONS(transactional=False)
def m001_write_ahead_log(db: Database) -> None:
    db.enable_wal()


@MIGRATIONS()
def m002_tables(db: Database) -> None:
    for statement in _TABLES.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


@MIGRATIONS()
def m003_learning(db: Database) -> None:
    for statement in _LEARNING.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


@MIGRATIONS()
def m004_user_marks(db: Database) -> None:
    for statement in _USER_MARKS.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


@MIGRATIONS()
def m005_companions(db: Database) -> None:
    for statement in _COMPANIONS.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


@MIGRATIONS()
def m006_bursts(db: Database) -> None:
    for statement in _BURSTS.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)


@MIGRATIONS()
def m007_jobs(db: Database) -> None:
    db.conn.execute(_JOBS)


_USER_MARKS = """
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
CREATE INDEX user_marks_by_photo ON user_marks (content_key);

CREATE TABLE marks_read (             -- how a file and its sidecars looked when their marks were read
    path          TEXT PRIMARY KEY,
    library       TEXT NOT NULL,
    signature     TEXT NOT NULL
) STRICT;
CREATE INDEX marks_read_by_library ON marks_read (library);

CREATE TABLE first_readings (         -- when the marks of a photo were first read, whether there were any or not
    content_key   TEXT PRIMARY KEY,
    library       TEXT NOT NULL,
    folder        TEXT NOT NULL,      -- where it lay
    placed_at     REAL NOT NULL,      -- mtime of the file, or of its latest sidecar
    read_at       REAL NOT NULL
) STRICT;

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
CREATE INDEX said_values_held ON said_values (held_group) WHERE held_group IS NOT NULL;

CREATE TABLE taken_marks (            -- what the marks of a photo said when they were last taken into account
    content_key   TEXT NOT NULL,
    head          TEXT NOT NULL,
    bucket        TEXT,               -- NULL: nothing any more
    PRIMARY KEY (content_key, head)
) STRICT;

CREATE TABLE given_marks (            -- every value that keeprate ever showed for a photo: never learned back
    content_key   TEXT NOT NULL,
    channel       TEXT NOT NULL,
    value         TEXT NOT NULL,
    first_at      REAL NOT NULL,
    PRIMARY KEY (content_key, channel, value)
) STRICT;

CREATE TABLE carried_keys (           -- whose marks of ours a file carries: that of the photo it was exported from
    content_key   TEXT NOT NULL,
    carried       TEXT NOT NULL,
    PRIMARY KEY (content_key, carried)
) STRICT;

CREATE TABLE journal_to_recall (      -- entries older than given_marks: what they showed is still to be told
    id            INTEGER PRIMARY KEY
) STRICT;
INSERT INTO journal_to_recall SELECT id FROM journal WHERE state <> 'dropped' AND content_key IS NOT NULL;
"""

_COMPANIONS = """
CREATE TABLE companions (             -- pictures of one shot (RAW and JPEG, edited copies), also when parted since
    content_key   TEXT PRIMARY KEY REFERENCES photos,
    leader        TEXT NOT NULL REFERENCES photos    -- the one that stands for all of them; its own row names itself
) STRICT;
CREATE INDEX companions_by_leader ON companions (leader);

CREATE TABLE companions_looked (      -- what was known when companions were last looked for; one row
    one           INTEGER PRIMARY KEY CHECK (one = 1),
    rules         INTEGER NOT NULL,   -- keeprate.pictures.companions.RULES
    decoded       INTEGER NOT NULL,   -- photos whose facts were known
    seen_at       REAL NOT NULL       -- files noted since may have companions
) STRICT;
"""

_BURSTS = """
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

CREATE TABLE bursts (                 -- photos that were compared with the others of their library
    library       TEXT NOT NULL,
    content_key   TEXT NOT NULL REFERENCES photos,
    model_id      INTEGER NOT NULL,   -- whose vectors were compared
    burst         TEXT,               -- content key of its first photo; NULL: nothing else is nearly the same
    kind          TEXT,               -- keeprate.plugin_api.BurstKind
    PRIMARY KEY (library, content_key)
) STRICT;
CREATE INDEX bursts_by_burst ON bursts (library, burst) WHERE burst IS NOT NULL;
"""

_JOBS = """
CREATE TABLE jobs (                   -- what is remembered of the daemon's jobs; the row `all` pauses everything
    name TEXT PRIMARY KEY NOT NULL,
    started_at REAL,
    finished_at REAL,
    outcome TEXT NOT NULL DEFAULT '',
    failed INTEGER NOT NULL DEFAULT 0,
    paused INTEGER NOT NULL DEFAULT 0,
    paused_until REAL                 -- while paused: NULL means until resumed
) STRICT
"""

_LEARNING = """
-- candidates: JSON array, what was compared, best first; details: JSON object, prior, thresholds, groups …
ALTER TABLE head_versions ADD COLUMN candidates TEXT NOT NULL DEFAULT '[]';
ALTER TABLE head_versions ADD COLUMN details TEXT NOT NULL DEFAULT '{}';
-- file_name: the name that was encoded with the picture; NULL: none was
ALTER TABLE embeddings ADD COLUMN file_name TEXT;

CREATE TABLE out_of_fold (            -- what a training said about each labelled photo without having seen it
    head          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    content_key   TEXT NOT NULL REFERENCES photos,
    bucket        TEXT NOT NULL,      -- what the person had said by then
    chosen        TEXT NOT NULL,      -- what the head would have said
    probabilities BLOB NOT NULL,      -- float32, one per bucket, in the order of head_versions.buckets
    PRIMARY KEY (head, version, content_key)
) STRICT;

CREATE TABLE given_scores (           -- numbers that a person gave photos elsewhere (score.json), the latest counts
    id            INTEGER PRIMARY KEY,
    content_key   TEXT NOT NULL REFERENCES photos,
    head          TEXT NOT NULL,
    score         REAL NOT NULL,
    source        TEXT NOT NULL,
    at            REAL NOT NULL,
    path          TEXT
) STRICT;
CREATE INDEX given_scores_by_photo ON given_scores (head, content_key, id);

CREATE TABLE first_guesses (          -- for which buckets the first guesses (scores of version 0) were made
    head          TEXT PRIMARY KEY,
    buckets       TEXT NOT NULL       -- JSON array, in order
) STRICT;
"""


_TABLES = """
CREATE TABLE libraries (              -- what was last seen of each library's root
    name         TEXT PRIMARY KEY,
    root         TEXT NOT NULL,
    device       INTEGER,             -- st_dev and st_ino of the root when last online
    inode        INTEGER,
    offline      TEXT,                -- why it is offline; NULL: online
    scanned_at   REAL                 -- unix seconds, as every time in this file
) STRICT;

CREATE TABLE models (                 -- registered vision models
    id           INTEGER PRIMARY KEY,
    name         TEXT NOT NULL UNIQUE,
    path         TEXT NOT NULL,       -- Hugging Face id, folder, or 'builtin'
    revision     TEXT,
    embed_dim    INTEGER,             -- NULL until first loaded
    fingerprint  TEXT,                -- weights + preprocessing + pooling; NULL until first loaded
    active       INTEGER NOT NULL DEFAULT 0 CHECK (active IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX one_active_model ON models (active) WHERE active = 1;

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
CREATE INDEX files_by_content ON files (content_key);
CREATE INDEX files_by_library ON files (library, gone_at);

CREATE TABLE embeddings (             -- float32, little-endian, embed_dim of the model
    content_key  TEXT NOT NULL REFERENCES photos,
    model_id     INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,
    vector       BLOB NOT NULL,
    PRIMARY KEY (content_key, model_id)
) STRICT;
CREATE INDEX embeddings_by_model ON embeddings (model_id, content_key);

CREATE TABLE signals (                -- float32 vector in the order of keeprate.pictures.signals.SIGNAL_NAMES
    content_key  TEXT PRIMARY KEY REFERENCES photos,
    version      INTEGER NOT NULL,
    vector       BLOB NOT NULL
) STRICT;

CREATE TABLE labels (                 -- append-only; the latest row of a photo and head counts
    id           INTEGER PRIMARY KEY,
    content_key  TEXT NOT NULL REFERENCES photos,
    head         TEXT NOT NULL,
    bucket       TEXT,                -- NULL: withdrawn
    source       TEXT NOT NULL,       -- move, folder, trash, rating, web, csv, …
    at           REAL NOT NULL,
    path         TEXT                 -- where the file lay that told
) STRICT;
CREATE INDEX labels_by_photo ON labels (head, content_key, id);

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
    reason       TEXT NOT NULL,       -- why it was taken into use, or not
    PRIMARY KEY (head, version)
) STRICT;
CREATE UNIQUE INDEX one_version_in_use ON head_versions (head) WHERE in_use = 1;

CREATE TABLE scores (
    content_key   TEXT NOT NULL REFERENCES photos,
    head          TEXT NOT NULL,
    version       INTEGER NOT NULL,
    score         REAL NOT NULL,      -- probability of the head's first bucket
    probabilities BLOB NOT NULL,      -- float32, one per bucket
    PRIMARY KEY (content_key, head)
) STRICT;
CREATE INDEX scores_by_head ON scores (head, score);

CREATE TABLE runs (                   -- what was done, when, with what outcome
    id           INTEGER PRIMARY KEY,
    kind         TEXT NOT NULL,       -- scan, embed, train, score, write, undo
    started_at   REAL NOT NULL,
    finished_at  REAL,                -- NULL: still running, or killed
    outcome      TEXT,                -- one sentence
    counts       TEXT                 -- JSON object
) STRICT;

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
CREATE INDEX journal_by_place ON journal (manager, path, field, id);
CREATE INDEX journal_by_state ON journal (state, manager);

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
CREATE INDEX problems_by_content ON problems (content_key, step);

INSERT INTO models (name, path, active) VALUES ('builtin', 'builtin', 1);
"""
