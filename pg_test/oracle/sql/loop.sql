-- What a load should do, done one record after the other: the oracle.

CREATE SCHEMA oracle;

-- Which of the JSON values the type's column can hold, by their places in the array; each alone.
CREATE FUNCTION oracle.accepted(type text, candidates jsonb) RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    found integer[] := '{}';
    place integer;
    candidate jsonb;
BEGIN
    FOR place, candidate IN SELECT n - 1, value FROM jsonb_array_elements(candidates) WITH ORDINALITY AS e(value, n) LOOP
        BEGIN
            EXECUTE format('SELECT FROM jsonb_to_record($1) AS x(c %s)', type) USING jsonb_build_object('c', candidate);
            found := found || place;
        EXCEPTION WHEN OTHERS THEN
        END;
    END LOOP;
    RETURN found;
END $$;

-- The type's value for a JSON value as SQL writes it; NULL where its text is none that the type takes.
CREATE FUNCTION oracle.literal(type text, value jsonb) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    found text;
BEGIN
    EXECUTE format('SELECT x.c::text FROM jsonb_to_record($1) AS x(c %s)', type) INTO found USING jsonb_build_object('c', value);
    found := format('%L::%s', found, type);
    EXECUTE 'SELECT ' || found;
    RETURN found;
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;

-- The members of a record that the columns take, named as the columns; those of `others` too. A column's value is at the
-- first of its paths that is there.
CREATE FUNCTION oracle.members(record jsonb, columns jsonb, others text, taken text[]) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    members jsonb := '{}';
    rest jsonb;
    "column" jsonb;
    path text;
    found jsonb;
BEGIN
    FOR "column" IN SELECT value FROM jsonb_array_elements(columns) LOOP
        FOR path IN SELECT value FROM jsonb_array_elements_text("column" -> 'paths') LOOP
            found := jsonb_path_query_array(record, path::jsonpath);
            CONTINUE WHEN found = '[]';
            IF jsonb_array_length(found) > 1 THEN
                RAISE 'several values at %', path USING ERRCODE = '22034';
            END IF;
            members := members || jsonb_build_object("column" ->> 'name', found -> 0);
            EXIT;
        END LOOP;
    END LOOP;
    IF others <> 'ignore' AND jsonb_typeof(record) = 'object' THEN
        rest := record - taken;
        IF others <> 'error' THEN
            members := members || jsonb_build_object(others, rest);
        ELSIF rest <> '{}' THEN
            RAISE 'members that no column takes: %', rest USING ERRCODE = '22023';
        END IF;
    END IF;
    RETURN members;
END $$;

-- Writes one record's members into the target. An absent member takes the column's default in a new row and leaves a row
-- that is there as it is; such a row is found by its key where the record has all of it, else by ON CONFLICT.
-- `columns` are those that can be written, in the order of the table.
CREATE FUNCTION oracle.put(target regclass, members jsonb, columns jsonb, key text[], nulls_equal boolean, policy text,
    OUT outcome text, OUT row_key text) LANGUAGE plpgsql AS $$
DECLARE
    names text[];
    definitions text;
    list text;
    setters text;
    matches text;
    conflict text := '';
    the_key text;
    place tid;
    old record;
    changed boolean;
    was_new boolean;
BEGIN
    SELECT array_agg(c ->> 'name'), string_agg(format('%I %s', c ->> 'name', c ->> 'type'), ', '),
        string_agg(quote_ident(c ->> 'name'), ', '),
        string_agg(format('%1$I = x.%1$I', c ->> 'name'), ', ') FILTER (WHERE c ->> 'name' <> ALL (key))
    INTO names, definitions, list, setters
    FROM jsonb_array_elements(columns) WITH ORDINALITY AS e(c, n) WHERE members ? (c ->> 'name');
    SELECT string_agg(format(CASE WHEN nulls_equal THEN 't.%1$I IS NOT DISTINCT FROM x.%1$I' ELSE 't.%1$I = x.%1$I' END, k), ' AND '),
        'concat_ws(''|'', ' || string_agg(format('t.%I::text', k), ', ') || ')'
    INTO matches, the_key FROM unnest(key) k;
    the_key := coalesce(the_key, 'NULL::text');

    IF policy <> 'error' AND names @> key THEN
        EXECUTE format('SELECT t.ctid, %s FROM %s t, jsonb_to_record($1) AS x(%s) WHERE %s', the_key, target, definitions, matches)
            INTO place, row_key USING members;
        IF place IS NOT NULL THEN
            outcome := 'unchanged';
            IF policy = 'update' AND setters IS NOT NULL THEN
                EXECUTE format('SELECT t.* FROM %s t WHERE ctid = $1', target) INTO old USING place;
                EXECUTE format('UPDATE %s t SET %s FROM jsonb_to_record($1) AS x(%s) WHERE t.ctid = $2 RETURNING (t.*) *<> $3',
                    target, setters, definitions) INTO changed USING members, place, old;
                outcome := CASE WHEN changed THEN 'updated' ELSE 'unchanged' END;
            END IF;
            RETURN;
        END IF;
    END IF;
    IF policy <> 'error' THEN
        conflict := format('ON CONFLICT (%s) DO ', (SELECT string_agg(quote_ident(k), ', ') FROM unnest(key) k))
            || CASE WHEN policy = 'update' AND setters IS NOT NULL THEN 'UPDATE SET ' || replace(setters, '= x.', '= excluded.')
               ELSE 'NOTHING' END;
    END IF;
    EXECUTE CASE
        WHEN names IS NULL THEN format('INSERT INTO %s AS t DEFAULT VALUES %s', target, conflict)
        ELSE format('INSERT INTO %s AS t (%s) SELECT %s FROM jsonb_to_record($1) AS x(%s) %s', target, list, list, definitions, conflict)
        END || format(' RETURNING t.xmax = 0, %s', the_key)
        INTO was_new, row_key USING members;
    -- A row that ON CONFLICT has found: whether it has changed is not known.
    outcome := CASE WHEN was_new THEN 'inserted' ELSE 'met' END;
END $$;

CREATE FUNCTION oracle.loop(target regclass, records jsonb, columns jsonb, key text[], nulls_equal boolean, policy text,
    others text, taken text[], needs_object boolean)
RETURNS TABLE (ordinal integer, outcome text, state text, row_key text, reason text) LANGUAGE plpgsql AS $$
DECLARE
    record jsonb;
BEGIN
    FOR ordinal, record IN SELECT n - 1, value FROM jsonb_array_elements(records) WITH ORDINALITY AS e(value, n) LOOP
        state := NULL;
        row_key := NULL;
        reason := NULL;
        BEGIN
            IF needs_object AND jsonb_typeof(record) <> 'object' THEN
                RAISE 'a record is an object' USING ERRCODE = '2203C';
            END IF;
            SELECT p.outcome, p.row_key INTO outcome, row_key
            FROM oracle.put(target, oracle.members(record, columns, others, taken), columns, key, nulls_equal, policy) p;
        EXCEPTION WHEN OTHERS THEN
            outcome := 'rejected';
            state := SQLSTATE;
            reason := SQLERRM;
        END;
        RETURN NEXT;
    END LOOP;
END $$;
