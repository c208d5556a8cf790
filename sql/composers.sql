-- Made by create_catalogue(), and by a load that finds none of the tables. The tables belong to the caller and are
-- no members of the extension; columns and indexes may be added.

CREATE TABLE composers (
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
