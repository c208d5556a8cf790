-- The fields by operators. md5 is the cheapest way to an id that SQL has.
\o
\timing on
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(intvals ->> 'pageid', id))::uuid, replace(intvals ->> 'composer', ' ', '_'),
       intvals ->> 'worktitle', nullif(intvals ->> 'icatno', ''), (intvals ->> 'pageid')::bigint, permlink
FROM document, jsonb_to_recordset(json::jsonb) AS r (id text, intvals jsonb, permlink text)
ORDER BY 2;
