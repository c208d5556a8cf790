-- The best statement found over jsonb_to_recordset for the Open Opus dump; the composers' keys are looked up.
INSERT INTO works (work_id, composer_id, title, subtitle, genre, search_terms, popular, recommended)
SELECT md5(concat('openopus:', composer_id, '/', title, '/', subtitle, '/',
                  row_number() OVER (PARTITION BY composer_id, title, subtitle) - 1))::uuid,
       composer_id, title, subtitle, genre,
       CASE WHEN searchterms <> '' THEN (SELECT array_agg(btrim(term)) FROM unnest(string_to_array(searchterms, ',')) AS term
                                         WHERE btrim(term) <> '') END,
       popular, recommended
FROM (SELECT composers.composer_id,
             CASE WHEN work.title LIKE '%  %' OR work.title LIKE ' %' OR work.title LIKE '% '
                  THEN regexp_replace(btrim(work.title), '\s+', ' ', 'g') ELSE work.title END AS title,
             nullif(CASE WHEN work.subtitle LIKE '%  %' OR work.subtitle LIKE ' %' OR work.subtitle LIKE '% '
                         THEN regexp_replace(btrim(work.subtitle), '\s+', ' ', 'g') ELSE work.subtitle END, '') AS subtitle,
             work.genre, work.searchterms, work.popular, work.recommended
      FROM jsonb_to_recordset(:document -> 'composers') AS composer (complete_name text, works jsonb)
      JOIN composers ON composers.complete_name = regexp_replace(btrim(composer.complete_name), '\s+', ' ', 'g'),
           jsonb_to_recordset(composer.works) AS work (title text, subtitle text, searchterms text, genre text,
                                                       popular boolean, recommended boolean)) AS cleaned
ORDER BY 2
