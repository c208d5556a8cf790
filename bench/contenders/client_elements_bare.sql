-- The same over jsonb_array_elements.
\set works `cat :dir/works.json`
\o
\timing on
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(record -> 'intvals' ->> 'pageid', record ->> 'id'))::uuid,
       replace(record -> 'intvals' ->> 'composer', ' ', '_'), record -> 'intvals' ->> 'worktitle',
       nullif(record -> 'intvals' ->> 'icatno', ''), (record -> 'intvals' ->> 'pageid')::bigint, record ->> 'permlink'
FROM jsonb_array_elements($1::jsonb) AS record
ORDER BY 2 \bind :works \g
