-- The best statement found over jsonb_to_recordset that takes the texts as they come.
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(intvals ->> 'pageid', id))::uuid, replace(intvals ->> 'composer', ' ', '_'),
       intvals ->> 'worktitle', nullif(intvals ->> 'icatno', ''), (intvals ->> 'pageid')::bigint, permlink
FROM jsonb_to_recordset(:document) AS record (id text, intvals jsonb, permlink text)
ORDER BY 2
