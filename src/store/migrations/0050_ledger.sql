-- The rest of what a request's bill is made of, so that it can be made anew: see docs/usage.md. NULL in rows from
-- before, whose tokens of these kinds are not known.

ALTER TABLE requests ADD COLUMN cache_write_1h_tokens BIGINT;
ALTER TABLE requests ADD COLUMN cached_audio_tokens BIGINT;
ALTER TABLE requests ADD COLUMN image_input_tokens BIGINT;
ALTER TABLE requests ADD COLUMN image_output_tokens BIGINT;
ALTER TABLE requests ADD COLUMN searches BIGINT;
ALTER TABLE requests ADD COLUMN unbilled_input_tokens BIGINT;
ALTER TABLE requests ADD COLUMN unbilled_output_tokens BIGINT;
-- How the provider says that it served: `flex`, `batch`, `priority`, `fast`, `standard`.
ALTER TABLE requests ADD COLUMN service TEXT;
-- What the provider itself says that it cost, in pico-dollars.
ALTER TABLE requests ADD COLUMN stated_cost NUMERIC(38, 0);
-- What each of several calls used, as JSON.
ALTER TABLE requests ADD COLUMN parts TEXT;
-- The terms that the key shared with others.
ALTER TABLE requests ADD COLUMN budget_id TEXT;
