INSERT INTO note SELECT r.* FROM jsonb_to_recordset(:document) AS r (note_id bigint, maker_id int, title text, body text, year smallint)
ON CONFLICT (note_id) DO UPDATE
SET maker_id = excluded.maker_id, title = excluded.title, body = excluded.body, year = excluded.year
