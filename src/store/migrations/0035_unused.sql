-- What nobody has used for long is looked for by that.
CREATE INDEX spend_by_use ON spend (last_used_at);
