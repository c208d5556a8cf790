-- A first load by hand, as one writes it: the tables with all their keys, then the rows.
CREATE TABLE composers (composer_id text COLLATE "C" PRIMARY KEY, last_name text NOT NULL, first_name text, complete_name text NOT NULL,
    birth date, death date, epoch text, portrait text, popular boolean, recommended boolean, openopus_id integer, permlink text);
CREATE TABLE works (work_id uuid PRIMARY KEY, composer_id text COLLATE "C" NOT NULL REFERENCES composers, title text NOT NULL,
    subtitle text, genre text, catalogue_number text, search_terms text[], popular boolean, recommended boolean, imslp_id bigint,
    openopus_id integer, permlink text);
CREATE INDEX works_composer_id_idx ON works (composer_id);
INSERT INTO composers (composer_id, last_name, first_name, complete_name)
SELECT replace(composer, ' ', '_'), split_part(composer, ', ', 1), nullif(substr(composer, strpos(composer || ', ', ', ') + 2), ''),
       CASE WHEN composer LIKE '%, %' THEN substr(composer, strpos(composer, ', ') + 2) || ' ' || split_part(composer, ', ', 1)
            ELSE composer END
FROM (SELECT DISTINCT record -> 'intvals' ->> 'composer' AS composer FROM jsonb_array_elements(:document) AS record) AS each;
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT md5('imslp:' || coalesce(record -> 'intvals' ->> 'pageid', record ->> 'id'))::uuid,
       replace(record -> 'intvals' ->> 'composer', ' ', '_'),
       regexp_replace(btrim(record -> 'intvals' ->> 'worktitle'), '\s+', ' ', 'g'),
       nullif(record -> 'intvals' ->> 'icatno', ''), (record -> 'intvals' ->> 'pageid')::bigint, record ->> 'permlink'
FROM jsonb_array_elements(:document) AS record;
