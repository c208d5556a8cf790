-- The same over jsonb_array_elements.
\o
\timing on
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(record -> 'intvals' ->> 'pageid', record ->> 'id'))::uuid,
       replace(record -> 'intvals' ->> 'composer', ' ', '_'), record -> 'intvals' ->> 'worktitle',
       nullif(record -> 'intvals' ->> 'icatno', ''), (record -> 'intvals' ->> 'pageid')::bigint, record ->> 'permlink'
FROM document, jsonb_array_elements(json::jsonb) AS record
ORDER BY 2;
