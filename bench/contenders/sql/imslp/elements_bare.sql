-- The same over jsonb_array_elements.
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(intvals ->> 'pageid', record ->> 'id'))::uuid, replace(intvals ->> 'composer', ' ', '_'),
       intvals ->> 'worktitle', nullif(intvals ->> 'icatno', ''), (intvals ->> 'pageid')::bigint, record ->> 'permlink'
FROM jsonb_array_elements(:document) AS record, LATERAL (SELECT record -> 'intvals' AS intvals OFFSET 0) AS once
ORDER BY 2
