-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added. works_indexes.sql belongs to it: a large load that makes
-- the table builds its indexes when the rows are there.

CREATE TABLE works (
    work_id          pg_catalog.uuid NOT NULL,
    composer_id      pg_catalog.text COLLATE pg_catalog."C" NOT NULL REFERENCES composers,
    title            pg_catalog.text NOT NULL,
    subtitle         pg_catalog.text,
    genre            pg_catalog.text,
    catalogue_number pg_catalog.text,
    search_terms     pg_catalog.text[],
    popular          boolean,
    recommended      boolean,
    imslp_id         bigint,
    openopus_id      integer,
    permlink         pg_catalog.text
);
COMMENT ON TABLE works IS 'Works, loaded by load_works().';
COMMENT ON COLUMN works.work_id IS 'UUIDv5 of the source''s own identity';
