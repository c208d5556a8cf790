-- The indexes of works (works.sql).

ALTER TABLE works ADD PRIMARY KEY (work_id);
CREATE INDEX works_composer_id_idx ON works (composer_id);
