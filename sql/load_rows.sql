-- The rows that a load is writing, for a table whose INSERT an extension plans.
CREATE FUNCTION "load_rows"(integer) RETURNS SETOF record
STRICT
LANGUAGE c
AS 'MODULE_PATHNAME', 'load_rows';
