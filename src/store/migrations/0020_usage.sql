-- Usage: a row for each finished request, and sums of them by the hour.
--
-- Times are milliseconds since 1970, UTC; `_us` are microseconds; costs are whole pico-dollars. What is not
-- known is NULL in `requests`; in sums a group that is not known is the empty text, for NULL is no key.

CREATE TABLE requests (
    id TEXT PRIMARY KEY,
    -- When its head had arrived.
    at BIGINT NOT NULL,
    -- What keys are told apart by, and what people call them.
    account TEXT,
    key_label TEXT,
    team_id TEXT,
    user_id TEXT,
    project_id TEXT,
    organization_id TEXT,
    -- On whose behalf the client asked, in its own words.
    end_user TEXT,
    -- A JSON array of texts.
    tags TEXT,
    path TEXT NOT NULL,
    -- The client's dialect and the provider's.
    dialect TEXT NOT NULL,
    spoken TEXT,
    -- The model that was asked for, and the provider and model that served.
    model TEXT,
    provider TEXT,
    served_model TEXT,
    attempts BIGINT NOT NULL,
    -- The attempts as JSON, where there is more to say than that one went well.
    tried TEXT,
    status BIGINT NOT NULL,
    error TEXT,
    cache TEXT,
    stream BOOLEAN NOT NULL,
    input_tokens BIGINT,
    output_tokens BIGINT,
    cached_tokens BIGINT,
    cache_write_tokens BIGINT,
    reasoning_tokens BIGINT,
    audio_input_tokens BIGINT,
    audio_output_tokens BIGINT,
    -- Whether the gateway counted them itself.
    estimated BOOLEAN NOT NULL,
    cost NUMERIC(38, 0),
    latency_us BIGINT NOT NULL,
    first_byte_us BIGINT,
    overhead_us BIGINT NOT NULL,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL
);
CREATE INDEX requests_by_time ON requests (at, id);
CREATE INDEX requests_by_account ON requests (account, at);

-- Sums by the hour of all that a request is told apart by but its tags.
CREATE TABLE usage_hours (
    hour BIGINT NOT NULL,
    account TEXT NOT NULL,
    team_id TEXT NOT NULL,
    user_id TEXT NOT NULL,
    project_id TEXT NOT NULL,
    provider TEXT NOT NULL,
    -- The model that served, by the provider's name of it; empty where nobody did.
    model TEXT NOT NULL,
    -- What people called the key last.
    key_label TEXT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    -- Answers from the cache.
    hits BIGINT NOT NULL,
    -- Requests whose cost is not known, which is no part of `cost`.
    unpriced BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost NUMERIC(38, 0) NOT NULL,
    latency_us BIGINT NOT NULL,
    PRIMARY KEY (hour, account, team_id, user_id, project_id, provider, model)
);

-- The same by tag. A request of several tags counts for each of them.
CREATE TABLE usage_tag_hours (
    hour BIGINT NOT NULL,
    tag TEXT NOT NULL,
    requests BIGINT NOT NULL,
    failures BIGINT NOT NULL,
    hits BIGINT NOT NULL,
    unpriced BIGINT NOT NULL,
    input_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    cached_tokens BIGINT NOT NULL,
    cache_write_tokens BIGINT NOT NULL,
    reasoning_tokens BIGINT NOT NULL,
    cost NUMERIC(38, 0) NOT NULL,
    latency_us BIGINT NOT NULL,
    PRIMARY KEY (hour, tag)
);
