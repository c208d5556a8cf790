-- What somebody who may CREATE in the first schema of another's search_path can put there: a copy of each function,
-- operator, aggregate, type and catalog that a loader's SQL could name without its schema, and overloads that fit better
-- than the server's own. Each tells the server's log that it was called, and as whom. Run by the attacker.

CREATE FUNCTION evil.caught(what pg_catalog.text) RETURNS pg_catalog.bool LANGUAGE plpgsql AS $$
BEGIN
    RAISE LOG 'pg_opus attacked: % as %', what, current_user;
    RETURN true;
END $$;

-- ---- functions: exact copies of all that have a name of the list, and versions for types that are converted otherwise
DO $do$
DECLARE
    f record;
    name pg_catalog.text;
    arguments pg_catalog.text;
    names pg_catalog.text[] := ARRAY['has_column_privilege', 'has_table_privilege', 'has_schema_privilege', 'has_any_column_privilege', 'format',
        'quote_ident', 'quote_literal', 'quote_nullable', 'to_regclass', 'to_regtype', 'array_agg', 'string_agg', 'count', 'sum', 'max', 'min',
            'bool_and', 'bool_or', 'every',
        'unnest', 'array_length', 'cardinality', 'array_position', 'array_to_string', 'generate_series', 'generate_subscripts', 'now',
            'current_schema', 'current_schemas',
        'current_setting', 'set_config', 'current_database', 'current_user', 'getpgusername', 'session_user', 'pg_get_userbyid',
            'row_security_active', 'pg_relation_size', 'pg_table_is_visible',
        'pg_function_is_visible', 'pg_get_expr', 'pg_get_constraintdef', 'pg_get_indexdef', 'pg_get_triggerdef', 'pg_xact_status',
            'pg_current_xact_id',
        'pg_current_xact_id_if_assigned', 'pg_current_snapshot', 'pg_snapshot_xmax', 'pg_snapshot_xmin', 'txid_current', 'pg_is_in_recovery',
            'pg_backend_pid', 'pg_blocking_pids',
        'pg_lock_status', 'pg_prepared_xact', 'pg_stat_get_activity', 'pg_try_advisory_xact_lock', 'pg_advisory_xact_lock', 'pg_advisory_lock',
            'pg_try_advisory_lock', 'lower', 'upper', 'left', 'right', 'substr', 'substring', 'split_part', 'starts_with',
        'concat', 'concat_ws', 'replace', 'length', 'octet_length', 'btrim', 'trim', 'regexp_replace', 'regexp_match', 'regexp_matches', 'md5',
            'hashtext', 'hashtextextended', 'to_jsonb', 'jsonb_build_object',
        'jsonb_build_array', 'jsonb_agg', 'jsonb_array_elements', 'jsonb_typeof', 'jsonb_out', 'textin', 'textout', 'gen_random_uuid', 'to_char',
            'date_part', 'clock_timestamp', 'statement_timestamp', 'transaction_timestamp', 'pg_sleep',
        'array_in', 'int4', 'int8', 'text', 'name', 'oid', 'bool', 'regclass', 'int4in', 'oideq', 'uuid_in', 'uuid_eq', 'texteq', 'row_number',
            'rank', 'lag', 'obj_description', 'col_description', 'mxid_age', 'age'];
    -- The arguments of functions of "any", and of overloads that fit a name, an oid or an unknown literal better.
    shapes pg_catalog.text[] := ARRAY['pg_catalog.name', 'pg_catalog.oid', 'pg_catalog.regclass', 'pg_catalog.int4', 'pg_catalog.int2',
        'pg_catalog.text', 'pg_catalog.bool', 'pg_catalog."char"', 'pg_catalog.uuid', 'pg_catalog.jsonb',
        'pg_catalog.name, pg_catalog.name', 'pg_catalog.text, pg_catalog.name', 'pg_catalog.name, pg_catalog.text',
            'pg_catalog.text, pg_catalog.text', 'pg_catalog.oid, pg_catalog.text', 'pg_catalog.regclass, pg_catalog.text',
            'pg_catalog.oid, pg_catalog.oid',
        'pg_catalog.text, pg_catalog.name, pg_catalog.name', 'pg_catalog.text, pg_catalog.text, pg_catalog.text',
            'pg_catalog.oid, pg_catalog.name, pg_catalog.text', 'pg_catalog.oid, pg_catalog.text, pg_catalog.text',
            'pg_catalog.regclass, pg_catalog.name, pg_catalog.text',
        'pg_catalog.name, pg_catalog.oid, pg_catalog.text', 'pg_catalog.text, VARIADIC pg_catalog.text[]',
            'pg_catalog.text, pg_catalog.name, pg_catalog.name, pg_catalog.name', 'VARIADIC pg_catalog.text[]', ''];
BEGIN
    FOR f IN
        SELECT p.proname, pg_catalog.pg_get_function_arguments(p.oid) AS arguments, pg_catalog.pg_get_function_result(p.oid) AS result, p.prokind
        FROM pg_catalog.pg_proc p WHERE p.pronamespace OPERATOR(pg_catalog.=) 'pg_catalog'::pg_catalog.regnamespace AND p.proname OPERATOR(pg_catalog.=) ANY (names::pg_catalog.name[])
    LOOP
        BEGIN
            IF f.prokind OPERATOR(pg_catalog.=) 'a'::pg_catalog."char" THEN
                EXECUTE pg_catalog.format('CREATE FUNCTION evil.step_%s(pg_catalog.int4, %s) RETURNS pg_catalog.int4 LANGUAGE plpgsql AS $f$ BEGIN PERFORM evil.caught(%L); RETURN 1; END $f$',
                    f.proname, f.arguments, 'aggregate ' OPERATOR(pg_catalog.||) f.proname);
                EXECUTE pg_catalog.format('CREATE AGGREGATE evil.%I(%s) (SFUNC = evil.step_%s, STYPE = pg_catalog.int4)', f.proname, f.arguments,
                    f.proname);
            ELSE
                EXECUTE pg_catalog.format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM evil.caught(%L); %s; END $f$',
                    f.proname, f.arguments, f.result, 'function ' OPERATOR(pg_catalog.||) f.proname,
                    CASE WHEN f.result OPERATOR(pg_catalog.~~) 'SETOF%' OR f.result OPERATOR(pg_catalog.~~) 'TABLE%' THEN 'RETURN' ELSE 'RETURN NULL' END);
            END IF;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    FOREACH name IN ARRAY names LOOP
        FOREACH arguments IN ARRAY shapes LOOP
            BEGIN
                EXECUTE pg_catalog.format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS $f$ BEGIN PERFORM evil.caught(%L); RETURN NULL; END $f$',
                    name, arguments,
                        CASE WHEN name OPERATOR(pg_catalog.~~) 'has\_%' OR name OPERATOR(pg_catalog.~~) 'bool%' OR name OPERATOR(pg_catalog.~~) '%visible' OR name OPERATOR(pg_catalog.=) 'row_security_active'
                        THEN 'pg_catalog.bool' WHEN name OPERATOR(pg_catalog.=) 'count' THEN 'pg_catalog.int8' ELSE 'pg_catalog.text' END,
                    'function ' OPERATOR(pg_catalog.||) name);
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
    END LOOP;
END $do$;

-- ---- operators: of each pair of types that names, ids, texts and keys could have; the server's own pairs, and pairs that it converts
DO $do$
DECLARE
    sign pg_catalog.text;
    a pg_catalog.text;
    b pg_catalog.text;
    types pg_catalog.text[] := ARRAY['oid', 'int4', 'int8', 'int2', 'text', 'name', 'regclass', 'uuid', 'bool', '"char"', 'jsonb', 'xid', 'xid8',
        '_text', '_int2', '_int4', '_oid', 'int2vector', 'oidvector', 'timestamptz', 'date'];
BEGIN
    FOREACH a IN ARRAY types LOOP
        FOREACH b IN ARRAY types LOOP
            EXECUTE pg_catalog.format('CREATE FUNCTION evil.compare(pg_catalog.%s, pg_catalog.%s) RETURNS pg_catalog.bool LANGUAGE plpgsql AS $f$ BEGIN PERFORM evil.caught(%L); RETURN true; END $f$',
                a, b, 'operator of ' OPERATOR(pg_catalog.||) a OPERATOR(pg_catalog.||) ', ' OPERATOR(pg_catalog.||) b);
            FOREACH sign IN ARRAY ARRAY['=', '<>', '<', '>', '<=', '>=', '~', '!~', '~~', '!~~', '@>', '<@', '&&', '->', '->>', '||', '+', '-',
                '&', '?'] LOOP
                EXECUTE pg_catalog.format('CREATE OPERATOR evil.%s (LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s, FUNCTION = evil.compare)',
                    sign, a, b);
            END LOOP;
        END LOOP;
    END LOOP;
END $do$;

-- ---- types and catalogs. Last: from here on a name without its schema is evil's.
DO $do$
DECLARE
    name pg_catalog.text;
BEGIN
    FOREACH name IN ARRAY ARRAY['text', 'uuid', 'jsonb', 'json', 'oid', 'regclass', 'regtype', 'name', 'date', 'timestamptz', 'bool', 'int4',
        'int8', 'int2', 'xid', 'xid8', 'bytea', 'varchar', 'regproc', 'regnamespace', 'regrole'] LOOP
        EXECUTE pg_catalog.format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.caught(%L))', name, name, 'type ' OPERATOR(pg_catalog.||) name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['pg_class', 'pg_namespace', 'pg_attribute', 'pg_attrdef', 'pg_constraint', 'pg_index', 'pg_trigger', 'pg_rewrite',
        'pg_policy', 'pg_proc', 'pg_type', 'pg_operator', 'pg_depend', 'pg_inherits', 'pg_locks',
        'pg_prepared_xacts', 'pg_stat_activity', 'pg_settings', 'pg_roles', 'pg_database', 'pg_extension', 'pg_am', 'pg_opclass',
            'pg_description'] LOOP
        EXECUTE pg_catalog.format('CREATE VIEW evil.%I AS SELECT %s FROM pg_catalog.%I WHERE evil.caught(%L)', name,
            (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(a.attname),
                ', ') FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid OPERATOR(pg_catalog.=) a.atttypid
             WHERE a.attrelid OPERATOR(pg_catalog.=) ('pg_catalog.' OPERATOR(pg_catalog.||) name)::pg_catalog.regclass::pg_catalog.oid AND a.attnum OPERATOR(pg_catalog.>) 0::pg_catalog.int2
               AND t.typtype OPERATOR(pg_catalog.<>) 'p'::pg_catalog."char"),
            name, 'catalog ' OPERATOR(pg_catalog.||) name);
    END LOOP;
END $do$;
GRANT SELECT ON ALL TABLES IN SCHEMA evil TO PUBLIC;
