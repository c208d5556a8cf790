-- recordset.sql as an upsert that leaves equal rows alone.
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(intvals ->> 'pageid', id))::uuid, replace(intvals ->> 'composer', ' ', '_'),
       CASE WHEN title LIKE '%  %' OR title LIKE ' %' OR title LIKE '% '
            THEN regexp_replace(btrim(title), '\s+', ' ', 'g') ELSE title END,
       nullif(intvals ->> 'icatno', ''), (intvals ->> 'pageid')::bigint, permlink
FROM jsonb_to_recordset(:document) AS record (id text, intvals jsonb, permlink text),
     LATERAL (SELECT intvals ->> 'worktitle') AS text (title)
ORDER BY 2
ON CONFLICT (work_id) DO UPDATE
SET (composer_id, title, catalogue_number, imslp_id, permlink)
  = (excluded.composer_id, excluded.title, excluded.catalogue_number, excluded.imslp_id, excluded.permlink)
WHERE (works.composer_id, works.title, works.catalogue_number, works.imslp_id, works.permlink) IS DISTINCT FROM
      (excluded.composer_id, excluded.title, excluded.catalogue_number, excluded.imslp_id, excluded.permlink)
