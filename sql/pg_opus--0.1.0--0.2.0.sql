-- From 0.1.0: load_records(), json arguments, likely_same_composers(); last_load() tells how rows were written; the loads have no planner support function any
-- more.

DROP FUNCTION last_load();
CREATE FUNCTION "last_load"() RETURNS TABLE (
	"load_id" uuid,
	"kind" TEXT,
	"source" TEXT,
	"received" bigint,
	"inserted" bigint,
	"updated" bigint,
	"unchanged" bigint,
	"duplicate" bigint,
	"rejected" bigint,
	"sessions" INT,
	"sessions_reason" TEXT,
	"decode_threads" INT,
	"decode_ms" double precision,
	"write_ms" double precision,
	"total_ms" double precision,
	"foreign_key_check" TEXT,
	"write_method" TEXT
)
STRICT
LANGUAGE c
AS 'MODULE_PATHNAME', 'last_load_wrapper';
COMMENT ON FUNCTION last_load() IS 'what the last load of this session did';

CREATE OR REPLACE FUNCTION "load_composers"(
	"data" jsonb,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_composers_jsonb_wrapper';

CREATE OR REPLACE FUNCTION "load_composers"(
	"document" text,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_composers_text_wrapper';

CREATE OR REPLACE FUNCTION "load_works"(
	"data" jsonb,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL,
	"create_composers" bool DEFAULT false
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_works_jsonb_wrapper';

CREATE OR REPLACE FUNCTION "load_works"(
	"document" text,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL,
	"create_composers" bool DEFAULT false
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_works_text_wrapper';

DROP FUNCTION load_support(internal);

CREATE FUNCTION "load_records"(
	"target" regclass,
	"data" jsonb,
	"mapping" jsonb DEFAULT NULL,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_records_jsonb_wrapper';
COMMENT ON FUNCTION load_records(regclass, jsonb, jsonb, text, text, bigint, integer) IS
    'loads the records of a jsonb document into a table; the number of rows written';

CREATE FUNCTION "load_records"(
	"target" regclass,
	"document" text,
	"mapping" jsonb DEFAULT NULL,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_records_text_wrapper';
COMMENT ON FUNCTION load_records(regclass, text, jsonb, text, text, bigint, integer) IS
    'loads the records of a JSON text into a table; the number of rows written';

CREATE FUNCTION "load_composers"(
	"document" json,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_composers_json_wrapper';
COMMENT ON FUNCTION load_composers(json, text, text, bigint, integer) IS
    'loads composers from a json document; the number of rows written';

CREATE FUNCTION "load_works"(
	"document" json,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL,
	"create_composers" bool DEFAULT false
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_works_json_wrapper';
COMMENT ON FUNCTION load_works(json, text, text, bigint, integer, boolean) IS
    'loads works from a json document; the number of rows written';

CREATE FUNCTION "load_records"(
	"target" regclass,
	"document" json,
	"mapping" jsonb DEFAULT NULL,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL,
	"workers" INT DEFAULT NULL
) RETURNS bigint
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_records_json_wrapper';
COMMENT ON FUNCTION load_records(regclass, json, jsonb, text, text, bigint, integer) IS
    'loads the records of a json document into a table; the number of rows written';

CREATE FUNCTION "likely_same_composers"() RETURNS TABLE (
	"composer_id" TEXT,
	"likely_same_as" TEXT
)
STABLE STRICT
LANGUAGE c
AS 'MODULE_PATHNAME', 'likely_same_composers_wrapper';
COMMENT ON FUNCTION likely_same_composers() IS
    'pairs of composers that differ only in accents, case, punctuation or spaces';

CREATE FUNCTION "create_inbox"(
	"name" TEXT,
	"target" regclass,
	"mapping" jsonb DEFAULT NULL,
	"on_conflict" TEXT DEFAULT 'update',
	"on_error" TEXT DEFAULT 'stop',
	"reject_limit" bigint DEFAULT NULL
) RETURNS VOID
LANGUAGE c
AS 'MODULE_PATHNAME', 'create_inbox_wrapper';
COMMENT ON FUNCTION create_inbox(text, regclass, jsonb, text, text, bigint) IS
    'makes a view that takes a document through COPY, in lines or in pieces, and loads it into a table';

CREATE FUNCTION "inbox_begin"() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'inbox_begin';
COMMENT ON FUNCTION inbox_begin() IS 'begins the load of a statement into an inbox: a trigger';

CREATE FUNCTION "inbox_take"() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'inbox_take';
COMMENT ON FUNCTION inbox_take() IS 'takes a line or a piece for an inbox: a trigger';

CREATE FUNCTION "inbox_end"() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'inbox_end';
COMMENT ON FUNCTION inbox_end() IS 'ends the load of a statement into an inbox: a trigger';

CREATE FUNCTION "load_rows"(integer) RETURNS SETOF record
STRICT
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_rows';
COMMENT ON FUNCTION load_rows(integer) IS 'the rows that a load is writing, for the load itself';
