-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added. works_indexes.sql belongs to it: a large load that makes
-- the table builds its indexes when the rows are there.

CREATE TABLE works (
    work_id          uuid NOT NULL,
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
COMMENT ON TABLE works IS 'Works, loaded by load_works().';
COMMENT ON COLUMN works.work_id IS 'UUIDv5 of the source''s own identity';
