-- A loader in SQL, to test the test: set-based where all is well, by halves where it is not. The setting stand_in.fault
-- plants a fault in it, which the comparison with the loop must find. It reads a mapping by the loop's function.

CREATE SCHEMA stand_in;

CREATE FUNCTION stand_in.has(fault text) RETURNS boolean STABLE LANGUAGE sql AS
    $$ SELECT coalesce(current_setting('stand_in.fault', true), '') = fault $$;

-- The records of a text: an array's elements, one document after another, or the one object; or where the mapping says.
CREATE FUNCTION stand_in.records(document text, mapping jsonb) RETURNS SETOF jsonb LANGUAGE plpgsql AS $$
DECLARE
    documents jsonb[];
    one jsonb;
    path text;
    found jsonb;
    paths jsonb := CASE jsonb_typeof(mapping -> 'records') WHEN 'string' THEN jsonb_build_array(mapping -> 'records')
        ELSE coalesce(mapping -> 'records', '["$[*]"]') END;
BEGIN
    BEGIN
        documents := ARRAY[document::jsonb];
    EXCEPTION WHEN invalid_text_representation THEN
        documents := ARRAY(SELECT line::jsonb FROM string_to_table(document, E'\n') line WHERE line <> '');
    END;
    FOREACH one IN ARRAY documents LOOP
        FOR path IN SELECT jsonb_array_elements_text(paths) LOOP
            found := jsonb_path_query_array(one, path::jsonpath);
            IF found <> '[]' THEN
                RETURN QUERY SELECT value FROM jsonb_array_elements(found);
                EXIT;
            END IF;
        END LOOP;
    END LOOP;
END $$;

-- The columns that are written, as the loop wants them, and the members that a column takes.
CREATE FUNCTION stand_in.columns(target regclass, mapping jsonb, OUT columns jsonb, OUT taken text[], OUT servers text[]) LANGUAGE plpgsql AS $$
DECLARE
    others text := mapping ->> 'others';
    named jsonb := mapping -> 'columns';
BEGIN
    WITH attributes AS (
        SELECT attname::text AS name, attnum, format_type(atttypid, atttypmod) AS type, attgenerated <> '' OR attidentity = 'a' AS is_servers,
            CASE WHEN attname = others THEN '[]' WHEN named IS NULL THEN jsonb_build_array('$.' || to_jsonb(attname::text)::text)
                WHEN jsonb_typeof(named -> attname::text) = 'string' THEN jsonb_build_array(named -> attname::text)
                ELSE named -> attname::text END AS paths
        FROM pg_attribute WHERE attrelid = target AND attnum > 0 AND NOT attisdropped)
    SELECT coalesce(jsonb_agg(jsonb_build_object('name', name, 'type', type, 'paths', paths) ORDER BY attnum)
            FILTER (WHERE NOT is_servers AND paths IS NOT NULL), '[]'),
        coalesce(array_agg(name) FILTER (WHERE is_servers), '{}')
    INTO columns, servers FROM attributes;
    SELECT array_agg(DISTINCT coalesce(substring(path FROM '^\$\.("([^"\\]|\\.)*")')::jsonb #>> '{}', substring(path FROM '^\$\.([^.[]+)')))
        || CASE WHEN named IS NULL THEN servers ELSE '{}' END
    INTO taken FROM jsonb_array_elements(columns) c, jsonb_array_elements_text(c -> 'paths') path;
    taken := coalesce(taken, servers);
END $$;

-- Writes records that have the same members and different keys, all of them or none.
CREATE FUNCTION stand_in.write(target regclass, first integer, last integer, present text[], columns jsonb, key text[], nulls_equal boolean,
    policy text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    list text;
    definitions text;
    values text;
    setters text;
    matches text;
    given text;
    conflict text := '';
    rows bigint;
    updated bigint := 0;
BEGIN
    SELECT string_agg(quote_ident(c ->> 'name'), ', '), string_agg(format('%I %s', c ->> 'name', c ->> 'type'), ', '),
        string_agg(format(CASE WHEN stand_in.has('cast') THEN '(the_work.members ->> %L)::%2$s AS %3$I' ELSE 'x.%3$I' END, c ->> 'name', c ->> 'type', c ->> 'name'), ', '),
        string_agg(format('%1$I = given.%1$I', c ->> 'name'), ', ') FILTER (WHERE stand_in.has('key') OR c ->> 'name' <> ALL (key))
    INTO list, definitions, values, setters
    FROM jsonb_array_elements(columns) WITH ORDINALITY e(c, n) WHERE c ->> 'name' = ANY (present);
    IF stand_in.has('typmod') THEN
        -- Such a cast cuts what is too long, where an input function refuses it.
        SELECT string_agg(format('%I %s', c ->> 'name', CASE WHEN c ->> 'type' ~ '^(character|bit).*\(\d+\)$'
                THEN regexp_replace(regexp_replace(c ->> 'type', '\(\d+\)', ''), '^(character|bit)$', 'text') ELSE c ->> 'type' END), ', '),
            string_agg(format('x.%I::%s', c ->> 'name', c ->> 'type'), ', ')
        INTO definitions, values
        FROM jsonb_array_elements(columns) c WHERE c ->> 'name' = ANY (present);
    END IF;
    IF list IS NULL THEN
        EXECUTE format('INSERT INTO %s DEFAULT VALUES %s', target, CASE WHEN policy <> 'error' THEN 'ON CONFLICT DO NOTHING' ELSE '' END);
        GET DIAGNOSTICS rows = ROW_COUNT;
        RETURN rows;
    END IF;
    given := format('SELECT the_work.ordinal AS "the ordinal", %s FROM the_work, jsonb_to_record(the_work.members) AS x(%s) WHERE the_work.ordinal BETWEEN %s AND %s ORDER BY the_work.ordinal',
        values, definitions, first, last);
    IF policy <> 'error' AND present @> key THEN
        SELECT string_agg(format(CASE WHEN nulls_equal THEN 't.%1$I IS NOT DISTINCT FROM given.%1$I' ELSE 't.%1$I = given.%1$I' END, k), ' AND ')
        INTO matches FROM unnest(key) k;
        -- What differs as JSON may be one as the column has it.
        EXECUTE format('WITH given AS (%s) SELECT count(*) FROM given t JOIN given ON given."the ordinal" > t."the ordinal" AND %s', given, matches) INTO rows;
        IF rows > 0 THEN
            RAISE 'equal keys';
        END IF;
        IF policy = 'update' AND setters IS NOT NULL THEN
            EXECUTE format('WITH given AS (%s), old AS (SELECT old_one AS old_row, old_one.ctid AS place FROM %s old_one),
                    done AS (UPDATE %2$s t SET %s FROM given, old WHERE old.place = t.ctid AND %s RETURNING (t.*) *<> old.old_row AS changed)
                SELECT count(*) FILTER (WHERE changed) FROM done', given, target, setters, matches) INTO updated;
        END IF;
        EXECUTE format('WITH given AS (%s) INSERT INTO %s (%s) SELECT %3$s FROM given WHERE NOT EXISTS (SELECT FROM %2$s t WHERE %4$s) ORDER BY "the ordinal"',
            given, target, list, matches);
    ELSE
        IF policy <> 'error' THEN
            conflict := format('ON CONFLICT (%s) DO ', (SELECT string_agg(quote_ident(k), ', ') FROM unnest(key) k))
                || CASE WHEN policy = 'update' AND setters IS NOT NULL THEN 'UPDATE SET ' || replace(setters, '= given.', '= excluded.') ELSE 'NOTHING' END;
        END IF;
        EXECUTE format('WITH given AS (%s) INSERT INTO %s AS t (%s) SELECT %3$s FROM given %4$s', given, target, list, conflict);
    END IF;
    GET DIAGNOSTICS rows = ROW_COUNT;
    RETURN rows + updated;
END $$;

-- Writes the records of a run that have the same members and different keys; a run that is refused, by halves.
CREATE FUNCTION stand_in.halve(target regclass, first integer, last integer, present text[], columns jsonb, key text[], nulls_equal boolean,
    policy text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    half integer := (first + last) / 2;
BEGIN
    RETURN stand_in.write(target, first, last, present, columns, key, nulls_equal, policy);
EXCEPTION WHEN OTHERS THEN
    IF first = last THEN
        INSERT INTO rejected_records (ordinal, sqlstate) VALUES (first, SQLSTATE);
        RETURN 0;
    END IF;
    RETURN stand_in.halve(target, first, half, present, columns, key, nulls_equal, policy)
        + stand_in.halve(target, half + 1, last, present, columns, key, nulls_equal, policy);
END $$;

CREATE FUNCTION stand_in.load_records(target regclass, document text, mapping jsonb DEFAULT NULL, on_conflict text DEFAULT 'update',
    on_error text DEFAULT 'stop', reject_limit bigint DEFAULT NULL, workers integer DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    columns jsonb;
    taken text[];
    servers text[];
    key text[] := '{}';
    nulls_equal boolean := false;
    piece record;
    written bigint := 0;
    number integer := 0;
    element jsonb;
    made jsonb;
BEGIN
    CREATE TABLE IF NOT EXISTS rejected_records (ordinal integer, sqlstate text);
    SELECT c.columns, c.taken, c.servers INTO columns, taken, servers FROM stand_in.columns(target, mapping) c;
    IF on_conflict <> 'error' THEN
        SELECT array_agg(attname::text ORDER BY attnum), i.indnullsnotdistinct INTO key, nulls_equal
        FROM pg_index i JOIN pg_attribute ON attrelid = i.indrelid AND attnum = ANY (i.indkey)
        WHERE i.indrelid = target AND i.indisunique GROUP BY i.indexrelid, i.indnullsnotdistinct;
    END IF;
    CREATE TEMP TABLE the_work (ordinal integer PRIMARY KEY, members jsonb, present text[]) ON COMMIT DROP;
    FOR element IN SELECT r FROM stand_in.records(document, mapping) r LOOP
        BEGIN
            IF jsonb_typeof(element) <> 'object' THEN
                RAISE 'no object' USING ERRCODE = '2203C';
            END IF;
            IF stand_in.has('names') THEN
                SELECT element || coalesce(jsonb_object_agg(c ->> 'name', m.value), '{}') INTO element
                FROM jsonb_array_elements(columns) c JOIN jsonb_each(element) m ON lower(m.key) = lower(c ->> 'name') AND NOT element ? (c ->> 'name');
            END IF;
            IF stand_in.has('generated') AND mapping -> 'columns' IS NULL AND element ?| servers THEN
                RAISE 'a column that can only be generated' USING ERRCODE = '428C9';
            END IF;
            made := oracle.members(element, columns, coalesce(mapping ->> 'others', 'ignore'), taken);
            IF stand_in.has('null') THEN
                SELECT coalesce(jsonb_object_agg(c ->> 'name', NULL), '{}') || made INTO made FROM jsonb_array_elements(columns) c;
            END IF;
            INSERT INTO the_work VALUES (number, made, ARRAY(SELECT jsonb_object_keys(made) ORDER BY 1));
        EXCEPTION WHEN OTHERS THEN
            INSERT INTO rejected_records (ordinal, sqlstate) VALUES (number, SQLSTATE);
        END;
        number := number + 1;
    END LOOP;
    IF stand_in.has('last') THEN
        -- The last of equal keys alone, whatever the others had.
        DELETE FROM the_work w WHERE key <> '{}' AND EXISTS (SELECT FROM the_work later WHERE later.ordinal > w.ordinal AND later.present @> key
            AND w.present @> key AND NOT EXISTS (SELECT FROM unnest(key) k WHERE later.members -> k <> w.members -> k));
    END IF;
    FOR piece IN
        SELECT min(ordinal) AS first, max(ordinal) AS last, w.present, count(*) AS records,
            count(DISTINCT (SELECT jsonb_agg(members -> k) FROM unnest(key) k)) AS keys
        FROM (SELECT w.*, sum(is_first) OVER (ORDER BY ordinal) AS run
            FROM (SELECT w.*, (w.present IS DISTINCT FROM lag(w.present) OVER (ORDER BY ordinal)
                OR ordinal <> lag(ordinal) OVER (ORDER BY ordinal) + 1)::int AS is_first FROM the_work w) w) w
        GROUP BY run, w.present ORDER BY 1
    LOOP
        IF piece.present <> '{}' AND (key = '{}' OR piece.keys = piece.records AND piece.present @> key AND NOT nulls_equal) THEN
            written := written + stand_in.halve(target, piece.first, piece.last, piece.present, columns, key, nulls_equal, on_conflict);
        ELSE
            FOR number IN piece.first .. piece.last LOOP
                written := written + stand_in.halve(target, number, number, piece.present, columns, key, nulls_equal, on_conflict);
            END LOOP;
        END IF;
    END LOOP;
    DROP TABLE the_work;
    IF stand_in.has('ordinal') THEN
        UPDATE rejected_records SET ordinal = ordinal + 1 WHERE ordinal > 0;
    ELSIF stand_in.has('sqlstate') THEN
        UPDATE rejected_records SET sqlstate = '22P02' WHERE sqlstate LIKE '22%';
    ELSIF stand_in.has('silent') THEN
        DELETE FROM rejected_records WHERE sqlstate = '23514';
    END IF;
    RETURN written;
END $$;

CREATE FUNCTION stand_in.load_records(target regclass, data jsonb, mapping jsonb DEFAULT NULL, on_conflict text DEFAULT 'update',
    on_error text DEFAULT 'stop', reject_limit bigint DEFAULT NULL, workers integer DEFAULT NULL) RETURNS bigint LANGUAGE sql AS
    $$ SELECT stand_in.load_records(target, data::text, mapping, on_conflict, on_error, reject_limit, workers) $$;
