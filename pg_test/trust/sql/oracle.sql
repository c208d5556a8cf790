-- What a load should do, done one row after the other: the oracle of the matrix.

CREATE FUNCTION public.uuid_of(text) RETURNS uuid IMMUTABLE LANGUAGE sql AS $$ SELECT md5($1)::uuid $$;

-- Whether a record would change the row that is there: a value that the record has and that is another.
CREATE FUNCTION public.differs(new jsonb, old jsonb) RETURNS boolean IMMUTABLE LANGUAGE sql AS $$
    SELECT coalesce(bool_or(value <> 'null' AND value IS DISTINCT FROM old -> key), false)
    FROM jsonb_each(new) WHERE key IN ('composer_id', 'title', 'catalogue_number', 'imslp_id', 'permlink') $$;

-- Groups are arrays of the records of one key, the first to be tried first. The first one that is accepted wins; the
-- others are duplicates, or, under 'error', refused. Tells what became of each.
CREATE FUNCTION public.oracle(groups jsonb, policy text, only_parent boolean)
RETURNS TABLE (ordinal int, outcome text, state text) LANGUAGE plpgsql AS $$
DECLARE
    "group" jsonb;
    record jsonb;
    old jsonb;
    won boolean;
    rows bigint;
    parent text := CASE WHEN only_parent THEN 'ONLY' ELSE '' END;
    -- As a load's: the columns that are named are all that it knows, and NULL is a value.
    put text := 'INSERT INTO works AS old (work_id, composer_id, title, subtitle, genre, catalogue_number, search_terms, popular,
            recommended, imslp_id, openopus_id, permlink)
        SELECT ($1 ->> ''work_id'')::uuid, $1 ->> ''composer_id'', $1 ->> ''title'', NULL, NULL, $1 ->> ''catalogue_number'', NULL, NULL,
            NULL, ($1 ->> ''imslp_id'')::bigint, NULL, $1 ->> ''permlink''';
    merge text := put || ' ON CONFLICT (work_id) DO UPDATE SET composer_id = coalesce(excluded.composer_id, old.composer_id),
            title = coalesce(excluded.title, old.title), subtitle = coalesce(excluded.subtitle, old.subtitle),
            genre = coalesce(excluded.genre, old.genre), catalogue_number = coalesce(excluded.catalogue_number, old.catalogue_number),
            search_terms = coalesce(excluded.search_terms, old.search_terms), popular = coalesce(excluded.popular, old.popular),
            recommended = coalesce(excluded.recommended, old.recommended), imslp_id = coalesce(excluded.imslp_id, old.imslp_id),
            openopus_id = coalesce(excluded.openopus_id, old.openopus_id), permlink = coalesce(excluded.permlink, old.permlink)
        WHERE public.differs(to_jsonb(excluded), to_jsonb(old)) OR (excluded.genre IS NOT NULL AND excluded.genre IS DISTINCT FROM old.genre)';
BEGIN
    FOR "group" IN SELECT value FROM jsonb_array_elements(groups) LOOP
        won := false;
        FOR record IN SELECT value FROM jsonb_array_elements("group") LOOP
            ordinal := record ->> 'ordinal';
            state := NULL;
            IF won THEN
                outcome := CASE policy WHEN 'error' THEN 'rejected' ELSE 'duplicate' END;
                state := CASE policy WHEN 'error' THEN '23505' END;
                RETURN NEXT;
                CONTINUE;
            END IF;
            BEGIN
                EXECUTE format('SELECT to_jsonb(w) FROM %s works w WHERE work_id = $1', parent)
                    INTO old USING (record ->> 'work_id')::uuid;
                IF old IS NULL OR policy = 'error' THEN
                    EXECUTE put USING record;
                    GET DIAGNOSTICS rows = ROW_COUNT;
                    outcome := CASE rows WHEN 0 THEN 'unchanged' ELSE 'inserted' END;
                ELSIF record ->> 'imslp_id' <> old ->> 'imslp_id' THEN
                    RAISE unique_violation USING MESSAGE = 'the row is about another work';
                ELSIF policy = 'skip' OR NOT public.differs(record, old) THEN
                    outcome := 'unchanged';
                ELSE
                    EXECUTE merge USING record;
                    GET DIAGNOSTICS rows = ROW_COUNT;
                    outcome := CASE rows WHEN 0 THEN 'unchanged' ELSE 'updated' END;
                END IF;
                won := true;
            EXCEPTION WHEN OTHERS THEN
                outcome := 'rejected';
                state := SQLSTATE;
            END;
            RETURN NEXT;
        END LOOP;
    END LOOP;
END $$;
