-- Whoever may see one team's or one user's requests alone looks for those.
CREATE INDEX requests_by_team ON requests (team_id, at);
CREATE INDEX requests_by_user ON requests (user_id, at);
