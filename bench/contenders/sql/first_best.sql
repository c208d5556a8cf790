-- A first load by hand, the best sequence found: the rows extracted once, the tables without keys, then all keys.
CREATE TABLE composers (composer_id text COLLATE "C" NOT NULL, last_name text NOT NULL, first_name text, complete_name text NOT NULL,
    birth date, death date, epoch text, portrait text, popular boolean, recommended boolean, openopus_id integer, permlink text);
CREATE TABLE works (work_id uuid NOT NULL, composer_id text COLLATE "C" NOT NULL, title text NOT NULL, subtitle text, genre text,
    catalogue_number text, search_terms text[], popular boolean, recommended boolean, imslp_id bigint, openopus_id integer, permlink text);
CREATE TEMPORARY TABLE extracted ON COMMIT DROP AS
SELECT md5('imslp:' || coalesce(intvals ->> 'pageid', record ->> 'id'))::uuid AS work_id, intvals ->> 'composer' AS composer,
       replace(intvals ->> 'composer', ' ', '_') COLLATE "C" AS composer_id,
       CASE WHEN title LIKE '%  %' OR title LIKE ' %' OR title LIKE '% '
            THEN regexp_replace(btrim(title), '\s+', ' ', 'g') ELSE title END AS title,
       nullif(intvals ->> 'icatno', '') AS catalogue_number, (intvals ->> 'pageid')::bigint AS imslp_id,
       record ->> 'permlink' AS permlink
FROM jsonb_array_elements(:document) AS record, LATERAL (SELECT record -> 'intvals' AS intvals OFFSET 0) AS once,
     LATERAL (SELECT intvals ->> 'worktitle') AS text (title);
INSERT INTO composers (composer_id, last_name, first_name, complete_name)
SELECT composer_id, split_part(composer, ', ', 1), nullif(substr(composer, strpos(composer || ', ', ', ') + 2), ''),
       CASE WHEN composer LIKE '%, %' THEN substr(composer, strpos(composer, ', ') + 2) || ' ' || split_part(composer, ', ', 1)
            ELSE composer END
FROM (SELECT DISTINCT composer_id, composer FROM extracted) AS each;
INSERT INTO works (work_id, composer_id, title, catalogue_number, imslp_id, permlink)
SELECT work_id, composer_id, title, catalogue_number, imslp_id, permlink FROM extracted ORDER BY composer_id;
ALTER TABLE composers ADD PRIMARY KEY (composer_id);
ALTER TABLE works ADD PRIMARY KEY (work_id);
CREATE INDEX works_composer_id_idx ON works (composer_id);
ALTER TABLE works ADD FOREIGN KEY (composer_id) REFERENCES composers;
