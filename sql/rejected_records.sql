-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added.

CREATE TABLE rejected_records (
    load_id   uuid NOT NULL,
    loaded_at timestamptz NOT NULL DEFAULT now(),
    kind      text NOT NULL,
    ordinal   bigint NOT NULL,
    path      text NOT NULL,
    sqlstate  text NOT NULL,
    reason    text NOT NULL,
    record    jsonb,
    PRIMARY KEY (load_id, ordinal)
);
COMMENT ON TABLE rejected_records IS 'Records that a load with on_error => ''ignore'' set aside.';
COMMENT ON COLUMN rejected_records.ordinal IS 'Place in the document, from 0';
COMMENT ON COLUMN rejected_records.path IS 'SQL/JSON path in the document';
COMMENT ON COLUMN rejected_records.record IS 'The record; its text, as a JSON string, where it is no valid JSON';
