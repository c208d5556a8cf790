-- Without the record: operators on each element.
\o
\timing on
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(r -> 'intvals' ->> 'pageid', r ->> 'id'))::uuid,
       replace(r -> 'intvals' ->> 'composer', ' ', '_'), r -> 'intvals' ->> 'worktitle',
       nullif(r -> 'intvals' ->> 'icatno', ''), (r -> 'intvals' ->> 'pageid')::bigint, r ->> 'permlink'
FROM document, jsonb_array_elements(json::jsonb) AS r
ORDER BY 2;
