-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added.

CREATE TABLE composers (
    composer_id   pg_catalog.text COLLATE pg_catalog."C" PRIMARY KEY,
    last_name     pg_catalog.text NOT NULL,
    first_name    pg_catalog.text,
    complete_name pg_catalog.text NOT NULL,
    birth         pg_catalog.date,
    death         pg_catalog.date,
    epoch         pg_catalog.text,
    portrait      pg_catalog.text,
    popular       boolean,
    recommended   boolean,
    openopus_id   integer,
    permlink      pg_catalog.text
);
COMMENT ON TABLE composers IS 'Composers, loaded by load_composers().';
COMMENT ON COLUMN composers.composer_id IS 'last, first with spaces as underscores: Bach,_Johann_Sebastian';
