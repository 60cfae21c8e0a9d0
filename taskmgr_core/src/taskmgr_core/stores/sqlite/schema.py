"""Tables and indexes. Every query of the store is served by one of the indexes."""

VERSION = 8

# What brings a file of this version up to the next one, before what is new is made and after.
_BEFORE = {
    1: "ALTER TABLE steps ADD COLUMN look_at REAL;",
    2: """
ALTER TABLE steps ADD COLUMN resources TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN leave TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN ping TEXT NOT NULL DEFAULT '';
DROP INDEX IF EXISTS steps_due;
DROP INDEX IF EXISTS steps_due_in_queue;
""",
    3: "",
    4: "",
    5: """
ALTER TABLE steps ADD COLUMN rule TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN origin TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN parent TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN elements INTEGER;
ALTER TABLE runs ADD COLUMN deadline REAL;
ALTER TABLE runs ADD COLUMN expired_at REAL;
ALTER TABLE runs ADD COLUMN retry_of TEXT NOT NULL DEFAULT '';
""",
    6: """
ALTER TABLE steps ADD COLUMN takers TEXT NOT NULL DEFAULT '';
ALTER TABLE runs ADD COLUMN traceparent TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN cached_from TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN limits TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN waits_for TEXT NOT NULL DEFAULT '';
ALTER TABLE steps ADD COLUMN waits_since REAL;
""",
    7: "",
}
_AFTER = {
    1: """
INSERT OR IGNORE INTO digest_runs (digest, role, run)
    SELECT digest, iif(producer = '', 'given value', 'made value'), run FROM field_values
    WHERE source = '' AND digest NOT IN (SELECT value FROM json_each(artifacts));
INSERT OR IGNORE INTO digest_runs (digest, role, run)
    SELECT json_each.value, iif(producer = '', 'given file', 'made file'), run
    FROM field_values, json_each(artifacts) WHERE source = '';
DROP TABLE IF EXISTS value_digests;
""",
    2: "",
    3: "",
    4: "",
    5: "",
    6: "",
    7: "",
}

STATEMENTS = """
CREATE TABLE IF NOT EXISTS task_versions (
    published INTEGER PRIMARY KEY AUTOINCREMENT,
    task TEXT NOT NULL,
    version TEXT NOT NULL,
    distribution TEXT NOT NULL,
    content TEXT NOT NULL,
    document TEXT NOT NULL,
    UNIQUE (task, version)
);
CREATE INDEX IF NOT EXISTS task_versions_by_distribution
    ON task_versions (distribution, version);
CREATE TABLE IF NOT EXISTS routes (
    task TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS schedules (
    name TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS firings (
    schedule TEXT NOT NULL,
    at REAL NOT NULL,
    run TEXT NOT NULL,
    fired_at REAL NOT NULL,
    submitted INTEGER NOT NULL,
    problem TEXT NOT NULL,
    PRIMARY KEY (schedule, at)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY,
    holder TEXT NOT NULL,
    until REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pipelines (name TEXT PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS runs (
    id TEXT PRIMARY KEY,
    short TEXT NOT NULL,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    status TEXT NOT NULL,
    created_at REAL NOT NULL,
    finished_at REAL,
    cancel_requested INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    graph TEXT NOT NULL,
    deadline REAL,
    expired_at REAL,
    retry_of TEXT NOT NULL DEFAULT '',
    traceparent TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS runs_by_short ON runs (short);
CREATE INDEX IF NOT EXISTS runs_by_status ON runs (status, id);
CREATE INDEX IF NOT EXISTS runs_by_end ON runs (status, finished_at);
CREATE INDEX IF NOT EXISTS runs_by_deadline ON runs (deadline)
    WHERE status = 'running' AND deadline IS NOT NULL AND expired_at IS NULL;
CREATE INDEX IF NOT EXISTS runs_to_cancel ON runs (id) WHERE cancel_requested = 1;
CREATE INDEX IF NOT EXISTS runs_expired ON runs (id) WHERE expired_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS runs_by_name ON runs (name, id);
CREATE INDEX IF NOT EXISTS runs_by_name_and_status ON runs (name, status, id);
CREATE TABLE IF NOT EXISTS steps (
    run TEXT NOT NULL,
    id TEXT NOT NULL,
    position INTEGER NOT NULL,
    after TEXT NOT NULL,
    graph_step TEXT NOT NULL,
    task TEXT NOT NULL,
    version TEXT NOT NULL,
    queue TEXT NOT NULL,
    priority INTEGER NOT NULL,
    status TEXT NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    lost INTEGER NOT NULL DEFAULT 0,
    worker TEXT NOT NULL DEFAULT '',
    not_before REAL NOT NULL DEFAULT 0,
    ready_at REAL,
    look_at REAL,
    started_at REAL,
    finished_at REAL,
    seconds TEXT NOT NULL DEFAULT '{}',
    failure TEXT,
    failures TEXT NOT NULL DEFAULT '[]',
    resources TEXT NOT NULL DEFAULT '',
    rule TEXT NOT NULL DEFAULT '',
    origin TEXT NOT NULL DEFAULT '',
    parent TEXT NOT NULL DEFAULT '',
    elements INTEGER,
    takers TEXT NOT NULL DEFAULT '',
    cached_from TEXT NOT NULL DEFAULT '',
    limits TEXT NOT NULL DEFAULT '',
    waits_for TEXT NOT NULL DEFAULT '',
    waits_since REAL,
    PRIMARY KEY (run, id)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS steps_of_run ON steps (run, position) WHERE parent = '';
CREATE INDEX IF NOT EXISTS steps_open ON steps (run, status)
    WHERE parent = '' AND status IN ('pending', 'ready', 'running', 'mapping', 'looping');
CREATE INDEX IF NOT EXISTS elements_of_step ON steps (run, parent, status, position)
    WHERE parent <> '';
CREATE INDEX IF NOT EXISTS steps_due ON steps (resources, priority DESC, ready_at)
    WHERE status = 'ready';
CREATE INDEX IF NOT EXISTS steps_due_in_queue
    ON steps (queue, resources, priority DESC, ready_at) WHERE status = 'ready';
CREATE INDEX IF NOT EXISTS steps_delayed ON steps (not_before, queue)
    WHERE status = 'ready' AND not_before > 0;
CREATE INDEX IF NOT EXISTS steps_due_of_run ON steps (run, priority DESC, ready_at)
    WHERE status = 'ready';
CREATE INDEX IF NOT EXISTS steps_unclaimed ON steps (look_at) WHERE status = 'ready';
CREATE INDEX IF NOT EXISTS steps_running ON steps (worker) WHERE status = 'running';
CREATE INDEX IF NOT EXISTS steps_by_version ON steps (task, version, run);
CREATE INDEX IF NOT EXISTS steps_held_back ON steps (limits, priority DESC, waits_since)
    WHERE status = 'ready' AND waits_for <> '';
CREATE TABLE IF NOT EXISTS cache (
    key TEXT PRIMARY KEY,
    task TEXT NOT NULL,
    version TEXT NOT NULL,
    source TEXT NOT NULL,
    outputs TEXT NOT NULL,
    size INTEGER NOT NULL,
    seconds REAL NOT NULL,
    hits INTEGER NOT NULL,
    expires_at REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS cache_by_task ON cache (task);
CREATE INDEX IF NOT EXISTS cache_by_expiry ON cache (expires_at) WHERE expires_at IS NOT NULL;
CREATE TABLE IF NOT EXISTS limits (
    name TEXT PRIMARY KEY,
    most INTEGER NOT NULL,
    rate TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS buckets (
    label TEXT PRIMARY KEY,
    tokens REAL NOT NULL,
    at REAL NOT NULL,
    wake_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS buckets_by_time ON buckets (at);
CREATE TABLE IF NOT EXISTS field_values (
    run TEXT NOT NULL,
    port TEXT NOT NULL,
    digest TEXT NOT NULL,
    size INTEGER NOT NULL,
    type TEXT NOT NULL,
    producer TEXT NOT NULL,
    source TEXT NOT NULL,
    document TEXT,
    artifacts TEXT NOT NULL,
    PRIMARY KEY (run, port)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS digest_runs (
    digest TEXT NOT NULL,
    role TEXT NOT NULL,
    run TEXT NOT NULL,
    PRIMARY KEY (digest, role, run)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS edges (
    run TEXT NOT NULL,
    target TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (run, target, source)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS workers (
    id TEXT PRIMARY KEY,
    heartbeat REAL NOT NULL,
    document TEXT NOT NULL,
    leave TEXT NOT NULL DEFAULT '',
    ping TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counters (
    owner TEXT PRIMARY KEY,
    seen_at REAL NOT NULL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log (
    number INTEGER PRIMARY KEY,
    run TEXT NOT NULL,
    step TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    time REAL NOT NULL,
    stream TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS log_by_run ON log (run, number);
CREATE TABLE IF NOT EXISTS requests (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    run TEXT NOT NULL,
    at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (at);
CREATE TABLE IF NOT EXISTS workspaces (
    name TEXT PRIMARY KEY,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    id TEXT PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    workspace TEXT NOT NULL,
    last_used_at REAL,
    document TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS tokens_of_workspace ON tokens (workspace);
CREATE TABLE IF NOT EXISTS audit (
    number INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    workspace TEXT NOT NULL,
    document TEXT NOT NULL,
    previous TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS audit_of_workspace ON audit (workspace, number);
CREATE TABLE IF NOT EXISTS audit_marks (
    name TEXT PRIMARY KEY,
    number INTEGER NOT NULL,
    hash TEXT NOT NULL
) WITHOUT ROWID;
"""


def upgrade(found: int) -> str:
    """What brings a file of an earlier version, or an empty one, up to this version."""
    passed = range(found, VERSION) if found else ()
    before = [_BEFORE[version] for version in passed]
    after = [_AFTER[version] for version in passed]
    return f"{' '.join(before)} {STATEMENTS} {' '.join(after)} PRAGMA user_version = {VERSION};"
