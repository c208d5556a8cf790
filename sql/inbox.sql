-- The functions of an inbox's triggers: create_inbox() makes them.
CREATE FUNCTION "inbox_begin"() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'inbox_begin';
CREATE FUNCTION "inbox_take"() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'inbox_take';
CREATE FUNCTION "inbox_end"() RETURNS trigger
LANGUAGE c
AS 'MODULE_PATHNAME', 'inbox_end';
