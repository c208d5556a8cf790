INSERT INTO note SELECT r.* FROM jsonb_to_recordset(:document) AS r (note_id bigint, maker_id int, title text, body text, year smallint)
