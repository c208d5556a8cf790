COMMENT ON FUNCTION load_composers(jsonb, text, text, bigint, integer) IS
    'loads composers from a jsonb document; the number of rows written';
COMMENT ON FUNCTION load_composers(text, text, text, bigint, integer) IS
    'loads composers from a JSON text; the number of rows written';
COMMENT ON FUNCTION load_works(jsonb, text, text, bigint, integer, boolean) IS
    'loads works from a jsonb document; the number of rows written';
COMMENT ON FUNCTION load_works(text, text, text, bigint, integer, boolean) IS
    'loads works from a JSON text; the number of rows written';
COMMENT ON FUNCTION last_load() IS 'what the last load of this session did';
COMMENT ON FUNCTION create_catalogue() IS 'makes the tables composers, works and rejected_records where they are missing';
COMMENT ON FUNCTION resolve_loads() IS 'finishes what parallel loads left prepared in a crash; how many transactions';
COMMENT ON FUNCTION load_records(regclass, jsonb, jsonb, text, text, bigint, integer) IS
    'loads the records of a jsonb document into a table; the number of rows written';
COMMENT ON FUNCTION load_records(regclass, text, jsonb, text, text, bigint, integer) IS
    'loads the records of a JSON text into a table; the number of rows written';
COMMENT ON FUNCTION load_composers(json, text, text, bigint, integer) IS
    'loads composers from a json document; the number of rows written';
COMMENT ON FUNCTION load_works(json, text, text, bigint, integer, boolean) IS
    'loads works from a json document; the number of rows written';
COMMENT ON FUNCTION load_records(regclass, json, jsonb, text, text, bigint, integer) IS
    'loads the records of a json document into a table; the number of rows written';
COMMENT ON FUNCTION likely_same_composers() IS
    'pairs of composers that differ only in accents, case, punctuation or spaces';
COMMENT ON FUNCTION create_inbox(text, regclass, jsonb, text, text, bigint) IS
    'makes a view that takes a document through COPY, in lines or in pieces, and loads it into a table';
COMMENT ON FUNCTION inbox_begin() IS 'begins the load of a statement into an inbox: a trigger';
COMMENT ON FUNCTION inbox_take() IS 'takes a line or a piece for an inbox: a trigger';
COMMENT ON FUNCTION inbox_end() IS 'ends the load of a statement into an inbox: a trigger';
COMMENT ON FUNCTION load_rows(integer) IS 'the rows that a load is writing, for the load itself';
