-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added.

CREATE TABLE rejected_records (
    load_id   pg_catalog.uuid NOT NULL,
    loaded_at timestamp with time zone NOT NULL DEFAULT pg_catalog.now(),
    kind      pg_catalog.text NOT NULL,
    ordinal   bigint NOT NULL,
    path      pg_catalog.text NOT NULL,
    sqlstate  pg_catalog.text NOT NULL,
    reason    pg_catalog.text NOT NULL,
    record    pg_catalog.jsonb,
    PRIMARY KEY (load_id, ordinal)
);
COMMENT ON TABLE rejected_records IS 'Records that a load with on_error => ''ignore'' set aside.';
COMMENT ON COLUMN rejected_records.ordinal IS 'Place in the document, from 0';
COMMENT ON COLUMN rejected_records.path IS 'SQL/JSON path in the document';
COMMENT ON COLUMN rejected_records.record IS 'The record; its text, as a JSON string, where it is no valid JSON or longer than 256 kB of text';
