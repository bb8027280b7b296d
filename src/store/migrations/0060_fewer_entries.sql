-- Most requests have neither a team nor a user: what is not looked for needs no entry.
DROP INDEX requests_by_team;
CREATE INDEX requests_by_team ON requests (team_id, at) WHERE team_id IS NOT NULL;
DROP INDEX requests_by_user;
CREATE INDEX requests_by_user ON requests (user_id, at) WHERE user_id IS NOT NULL;
