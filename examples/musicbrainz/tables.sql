CREATE TABLE artists (
    mbid uuid PRIMARY KEY,
    name text NOT NULL,
    sort_name text NOT NULL,
    type text,
    gender text,
    country char(2),
    born text,
    died text,
    is_dead boolean NOT NULL DEFAULT false,
    area text,
    isnis text[],
    note text,
    more jsonb
);

CREATE TABLE musical_works (
    mbid uuid PRIMARY KEY,
    title text NOT NULL,
    type text,
    composer uuid REFERENCES artists,
    languages text[],
    iswcs text[],
    key text,
    note text,
    more jsonb
);
