-- Every shape of document that a source has gives the same rows, as text and as jsonb.
CREATE SCHEMA shapes;
SET search_path = shapes, public;
SET datestyle = iso;
\pset null (null)
SELECT create_catalogue();
CREATE TABLE seen (n serial, shape text, written bigint, written_jsonb bigint, same_jsonb boolean, rows text);

-- Loads a document into empty tables as text, then, where that can be, as jsonb, and compares what came in.
CREATE PROCEDURE see(resource text, shape text, document text, is_jsonb boolean DEFAULT true)
LANGUAGE plpgsql AS $$
DECLARE
    call text := format('SELECT load_%s($1%s)', resource,
                        CASE resource WHEN 'works' THEN ', create_composers => true' ELSE '' END);
    written bigint;
    written_jsonb bigint;
    same_jsonb boolean;
    rows text;
BEGIN
    TRUNCATE composers, works;
    EXECUTE call INTO written USING document;
    CREATE TEMP TABLE from_text ON COMMIT DROP AS
        SELECT to_jsonb(c) AS loaded FROM composers c UNION ALL SELECT to_jsonb(w) FROM works w;
    SELECT md5(string_agg(loaded::text, E'\n' ORDER BY md5(loaded::text))) FROM from_text INTO rows;
    IF is_jsonb THEN
        TRUNCATE composers, works;
        EXECUTE call INTO written_jsonb USING document::jsonb;
        CREATE TEMP TABLE from_jsonb ON COMMIT DROP AS
            SELECT to_jsonb(c) AS loaded FROM composers c UNION ALL SELECT to_jsonb(w) FROM works w;
        same_jsonb := NOT EXISTS (TABLE from_text EXCEPT ALL TABLE from_jsonb)
                  AND NOT EXISTS (TABLE from_jsonb EXCEPT ALL TABLE from_text);
    END IF;
    INSERT INTO seen (shape, written, written_jsonb, same_jsonb, rows)
    VALUES (shape, written, written_jsonb, same_jsonb, rows);
END $$;

-- What all shapes since the last time have given; same_rows: each of them the rows of the first.
\set compare 'SELECT shape, written, written_jsonb, same_jsonb, rows = first_value(rows) OVER (ORDER BY n) AS same_rows FROM seen ORDER BY n; TRUNCATE seen;'

-- IMSLP's people.
\set one '{"id":"Category:Bach, Johann Sebastian","type":"1","parent":"","intvals":[],"permlink":"https://imslp.org/wiki/Category:Bach,_Johann_Sebastian"}'
\set two '{"id":"Category:Anonymous","type":1,"parent":"","intvals":[],"permlink":""}'
\set array '[' :one ', ' :two ']'
\set page '{"0":' :one ',"1":' :two ',"metadata":{"start":0,"limit":1000,"sortby":"id","moreresultsavailable":true}}'
\set lines :one '\n\r\n' :two '\n'
\set concatenated :one :two
CALL see('composers', 'flat array', :'array');
CALL see('composers', 'page', :'page');
CALL see('composers', 'a record a line', :'lines', false);
CALL see('composers', 'concatenated', :'concatenated', false);
:compare
SELECT * FROM composers ORDER BY composer_id \gx
CALL see('composers', 'one record alone', :'one');
:compare

-- Open Opus's composers: a date may lack month and day, and be null; booleans come in all forms.
\set one '{"id":"87","name":"Bach","complete_name":"Johann Sebastian Bach","birth":"1685-03-31","death":"1750-07","epoch":"Baroque","portrait":"https:\\/\\/x.org\\/87.jpg","popular":"1","recommended":true}'
\set two '{"id":88,"name":"Ad\\u00e8s","complete_name":"  Thomas   Ad\\u00e8s ","birth":"1971","death":null,"epoch":"21st Century","portrait":"","popular":0,"recommended":null}'
\set array '[' :one ',' :two ']'
\set list '{"status":{"version":"1.20","success":"true","source":"db","rows":2},"request":{"type":"x"},"composers":' :array '}'
\set lines :one '\n' :two
CALL see('composers', 'list', :'list');
CALL see('composers', 'array', :'array');
CALL see('composers', 'a record a line', :'lines', false);
:compare
SELECT * FROM composers ORDER BY composer_id \gx

-- Open Opus's dump holds composers and, in them, works without ids.
\set dump '{"composers":[{"name":"Bach","complete_name":"Johann Sebastian Bach","birth":"1685-01-01","works":[{"title":"Air ","subtitle":"","searchterms":"","popular":"0","recommended":"0","genre":"Orchestral"},{"title":"Air","popular":"0"},{"title":"Air","subtitle":"for strings"}]},{"name":"Ad\\u00e8s","complete_name":"Thomas Ad\\u00e8s","birth":"1971-01-01","death":null,"recommended":null,"works":[]},{"name":"Anon","complete_name":"Anon","works":[{"title":"Sumer"}]}]}'
CALL see('composers', 'the composers of a dump', :'dump');
:compare
SELECT composer_id, birth, death, recommended FROM composers ORDER BY composer_id;
CALL see('works', 'the works of a dump', :'dump');
:compare
SELECT composer_id, title, subtitle, genre, popular, recommended, imslp_id, openopus_id
FROM works ORDER BY composer_id, title, subtitle NULLS FIRST, popular, genre;
SELECT last_name, first_name, complete_name FROM composers ORDER BY composer_id;

-- IMSLP's works: a page number is a string, a number or missing; a catalogue number is there, empty or missing.
\set one '{"id":"\\"A\\" (Ferrari, Carlotta)","type":"2","parent":"Category:Ferrari, Carlotta","intvals":{"composer":"Ferrari, Carlotta","worktitle":"\\"A\\"","icatno":"ICF 1237","pageid":"1637322"},"permlink":"https://x.org/1"}'
\set two '{"id":"B (Ferrari, Carlotta)","type":"2","parent":"Category:Ferrari, Carlotta","intvals":{"composer":"Ferrari, Carlotta","worktitle":"B","icatno":"","pageid":1637323},"permlink":""}'
\set three '{"id":"C (Ferrari, Carlotta)","type":"2","parent":"Category:Ferrari, Carlotta","intvals":{"composer":"","worktitle":" C\\t\\u00a0 c "}}'
\set array '[' :one ',' :two ',' :three ']'
\set page '{"metadata":{"start":0},"0":' :one ',"1":' :two ',"10":' :three '}'
\set lines :one '\n' :two '\n\n' :three
\set concatenated :one :two ' ' :three
CALL see('works', 'flat array', :'array');
CALL see('works', 'page', :'page');
CALL see('works', 'a record a line', :'lines', false);
CALL see('works', 'concatenated', :'concatenated', false);
:compare
SELECT title, catalogue_number, imslp_id, permlink FROM works ORDER BY title;

-- Open Opus's works: a list, or an object keyed by id; search terms with commas or as an array.
\set composer '{"id":"129","name":"Schumann","complete_name":"Robert Schumann"}'
\set one '{"id":"15091","title":"Carnaval, op. 9","subtitle":"","searchterms":"Carnival, , Scènes mignonnes ","popular":"1","recommended":"1","genre":"Keyboard"}'
\set two '{"id":15092,"title":"Cello Concerto","subtitle":"in A minor","searchterms":"","popular":true,"recommended":"0","genre":"Orchestral"}'
\set three '{"id":"9","title":"Dichterliebe","searchterms":"Carnival","popular":0,"recommended":1}'
\set list '{"status":{"success":"true"},"composer":' :composer ',"works":[' :one ',' :two ',' :three ']}'
\set keyed '{"status":{"success":"true"},"composer":' :composer ',"works":{"w:15091":' :one ',"w:15092":' :two ',"w:9":' :three '}}'
CALL see('works', 'list', :'list');
CALL see('works', 'keyed', :'keyed');
:compare
SELECT openopus_id, title, subtitle, search_terms, popular, recommended, genre FROM works ORDER BY title;
\set terms '{"composer":' :composer ',"works":[{"id":1,"title":"text","searchterms":"a, b"},{"id":2,"title":"array","searchterms":["a","b "]},{"id":3,"title":"comma in an array","searchterms":["a, b"]},{"id":4,"title":"empty array","searchterms":[]},{"id":5,"title":"null","searchterms":null}]}'
CALL see('works', 'search terms', :'terms');
:compare
SELECT title, search_terms FROM works ORDER BY openopus_id;

-- Of a key that is there twice the last one counts, also where the first would be wrong.
\set repeated '[{"id":"Category:A","type":"2","type":"1","id":"Category:B"}]'
CALL see('composers', 'a key twice', :'repeated');
:compare
SELECT composer_id FROM composers;

-- Nothing to load, and nothing at all.
SELECT load_composers('[]'), load_works('[]'), load_works('[]'::jsonb), load_composers('{"metadata":{}}'),
       load_composers('{"composers":[]}'), load_works('{"composers":[]}'::jsonb);
SELECT load_composers(NULL::text) IS NULL AS text, load_composers(NULL::jsonb) IS NULL AS jsonb,
       load_works(NULL::text) IS NULL AS works_text, load_works(NULL::jsonb) IS NULL AS works_jsonb,
       load_works(NULL) IS NULL AS unknown;

-- A quoted literal and a parameter without a type are text.
PREPARE load AS SELECT load_composers($1), load_works($2);
SELECT parameter_types FROM pg_prepared_statements WHERE name = 'load';
SELECT load_composers('{"id":"Category:X"} {"id":"Category:Y"}');
