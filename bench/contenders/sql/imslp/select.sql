-- The SELECT part of recordset.sql: each of its expressions is evaluated, and nothing is written.
SELECT count(*), max(md5('imslp:' || coalesce(intvals ->> 'pageid', id))::uuid::text), max(length(replace(intvals ->> 'composer', ' ', '_'))),
       max(length(CASE WHEN title LIKE '%  %' OR title LIKE ' %' OR title LIKE '% '
                       THEN regexp_replace(btrim(title), '\s+', ' ', 'g') ELSE title END)),
       max(length(nullif(intvals ->> 'icatno', ''))), max((intvals ->> 'pageid')::bigint), max(length(permlink))
FROM jsonb_to_recordset(:document) AS record (id text, intvals jsonb, permlink text),
     LATERAL (SELECT intvals ->> 'worktitle') AS text (title)
