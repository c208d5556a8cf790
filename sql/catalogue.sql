-- The tables of a catalogue, made by create_catalogue() and by a load that finds none of them. They belong to the
-- caller and are no members of the extension. Types and collations of keys are those that the loader writes fastest;
-- columns and indexes may be added.

CREATE TABLE IF NOT EXISTS composers (
    composer_id   text COLLATE "C" PRIMARY KEY,
    last_name     text NOT NULL,
    first_name    text,
    complete_name text NOT NULL,
    birth         date,
    death         date,
    epoch         text,
    portrait      text,
    popular       boolean,
    recommended   boolean,
    openopus_id   integer,
    permlink      text
);
COMMENT ON TABLE composers IS 'Composers, loaded by load_composers().';
COMMENT ON COLUMN composers.composer_id IS 'last, first with spaces as underscores: Bach,_Johann_Sebastian';

CREATE TABLE IF NOT EXISTS works (
    work_id          uuid PRIMARY KEY,
    composer_id      text COLLATE "C" NOT NULL REFERENCES composers,
    title            text NOT NULL,
    subtitle         text,
    genre            text,
    catalogue_number text,
    search_terms     text[],
    popular          boolean,
    recommended      boolean,
    imslp_id         bigint,
    openopus_id      integer,
    permlink         text
);
CREATE INDEX IF NOT EXISTS works_composer_id_idx ON works (composer_id);
COMMENT ON TABLE works IS 'Works, loaded by load_works().';
COMMENT ON COLUMN works.work_id IS 'UUIDv5 of the source''s own identity';

CREATE TABLE IF NOT EXISTS rejected_records (
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
