-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added.

CREATE TABLE works (
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
CREATE INDEX works_composer_id_idx ON works (composer_id);
COMMENT ON TABLE works IS 'Works, loaded by load_works().';
COMMENT ON COLUMN works.work_id IS 'UUIDv5 of the source''s own identity';
