-- The records: keys and those they belong to, provider credentials, deployments, budgets.
--
-- One text for SQLite and Postgres; {BYTES} is BLOB or BYTEA. Times are milliseconds since 1970, UTC.
-- Amounts are whole pico-dollars (src/price.rs). What is only ever read whole is JSON text: `terms` is
-- src/identity/terms.rs.

-- Counts what has changed. Every transaction that changes a record raises it last, so that the row's lock
-- makes the order of `changes` the order of commits.
CREATE TABLE revision (
    one BIGINT PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO revision (one, value) VALUES (1, 0);

-- What has changed since; a process reads on from the last sequence that it has seen.
CREATE TABLE changes (
    sequence BIGINT PRIMARY KEY,
    kind TEXT NOT NULL,
    record TEXT NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY,
    alias TEXT,
    email TEXT,
    role TEXT NOT NULL,
    blocked BOOLEAN NOT NULL,
    terms TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX users_by_email ON users (email);

CREATE TABLE teams (
    id TEXT PRIMARY KEY,
    alias TEXT,
    organization_id TEXT,
    blocked BOOLEAN NOT NULL,
    terms TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX teams_by_alias ON teams (alias);

CREATE TABLE team_members (
    team_id TEXT NOT NULL REFERENCES teams (id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    role TEXT NOT NULL,
    terms TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (team_id, user_id)
);
CREATE INDEX team_members_by_user ON team_members (user_id);

CREATE TABLE projects (
    id TEXT PRIMARY KEY,
    alias TEXT,
    team_id TEXT,
    blocked BOOLEAN NOT NULL,
    terms TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX projects_by_alias ON projects (alias);

-- Terms that several keys share by naming them.
CREATE TABLE budgets (
    id TEXT PRIMARY KEY,
    terms TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE keys (
    id TEXT PRIMARY KEY,
    -- SHA-256 of the key; the key itself is nowhere.
    hash {BYTES} NOT NULL UNIQUE,
    -- What may be shown of it: `gw_…a1B2`.
    masked TEXT NOT NULL,
    label TEXT,
    user_id TEXT,
    team_id TEXT,
    project_id TEXT,
    organization_id TEXT,
    budget_id TEXT,
    blocked BOOLEAN NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT,
    rotated_at BIGINT,
    rotation_count BIGINT NOT NULL,
    terms TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX keys_by_label ON keys (label);
CREATE INDEX keys_by_user ON keys (user_id);
CREATE INDEX keys_by_team ON keys (team_id);
CREATE INDEX keys_by_project ON keys (project_id);
CREATE INDEX keys_by_creation ON keys (created_at, id);

-- What a key was before it was rotated, and until when that is still taken.
CREATE TABLE retired_keys (
    hash {BYTES} PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    valid_until BIGINT NOT NULL
);
CREATE INDEX retired_keys_by_key ON retired_keys (key_id);

-- Providers beside those of the configuration. `settings` is `config::Provider` without secrets.
CREATE TABLE providers (
    name TEXT PRIMARY KEY,
    settings TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Keys for providers, sealed under GATEWAY_ENCRYPTION_KEY.
CREATE TABLE credentials (
    id TEXT PRIMARY KEY,
    provider TEXT NOT NULL,
    label TEXT,
    -- Whose requests use it; NULL for everybody's.
    project_id TEXT,
    blocked BOOLEAN NOT NULL,
    -- Which encryption key it is sealed under.
    sealed_by TEXT NOT NULL,
    sealed {BYTES} NOT NULL,
    masked TEXT NOT NULL,
    -- What is said of it and is no secret.
    details TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX credentials_by_provider ON credentials (provider);

-- Deployments: a name for clients, and who serves it there. Several of one name share its requests.
CREATE TABLE models (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    provider TEXT NOT NULL,
    -- The model's name there.
    model TEXT NOT NULL,
    credential_id TEXT,
    blocked BOOLEAN NOT NULL,
    settings TEXT NOT NULL,
    details TEXT NOT NULL,
    created_by TEXT,
    updated_by TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX models_by_name ON models (name);

-- What has been spent, by whom: `scope` is key, user, team, project, budget, organization, tag, model,
-- provider or global. Apart from the records, so that spending changes no record.
CREATE TABLE spend (
    scope TEXT NOT NULL,
    id TEXT NOT NULL,
    -- Since the period began, and ever.
    amount NUMERIC(38, 0) NOT NULL,
    total NUMERIC(38, 0) NOT NULL,
    period_started_at BIGINT NOT NULL,
    last_used_at BIGINT,
    PRIMARY KEY (scope, id)
);
