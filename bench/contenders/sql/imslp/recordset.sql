-- The best statement found over jsonb_to_recordset that gives the same rows: texts are cleaned where they are not clean.
-- Only the ids are other ones: md5 is the cheapest way to an id that SQL has without an extension.
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(intvals ->> 'pageid', id))::uuid, replace(intvals ->> 'composer', ' ', '_'),
       CASE WHEN title LIKE '%  %' OR title LIKE ' %' OR title LIKE '% '
            THEN regexp_replace(btrim(title), '\s+', ' ', 'g') ELSE title END,
       nullif(intvals ->> 'icatno', ''), (intvals ->> 'pageid')::bigint, permlink
FROM jsonb_to_recordset(:document) AS record (id text, intvals jsonb, permlink text),
     LATERAL (SELECT intvals ->> 'worktitle') AS text (title)
ORDER BY 2
