-- Types of a user's that the random tables have, beside those of the server and of its contrib modules.

CREATE SCHEMA kinds;

-- Whatever this server has of these.
DO $$
DECLARE
    module text;
BEGIN
    FOREACH module IN ARRAY ARRAY['citext', 'hstore', 'ltree', 'cube', 'seg', 'isn'] LOOP
        IF EXISTS (SELECT FROM pg_available_extensions WHERE name = module) THEN
            EXECUTE format('CREATE EXTENSION %I SCHEMA kinds', module);
        END IF;
    END LOOP;
    -- Without ICU there is no such collation.
    BEGIN
        CREATE COLLATION kinds.any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    EXCEPTION WHEN feature_not_supported OR undefined_object THEN
        CREATE COLLATION kinds.any_case FROM "C";
    END;
END $$;

CREATE TYPE kinds.mood AS ENUM ('sad', 'ok', 'happy', 'é', 'a b', '1');

CREATE DOMAIN kinds.positive AS integer CHECK (VALUE > 0);
CREATE DOMAIN kinds.needed AS integer NOT NULL;
CREATE DOMAIN kinds.answered AS integer DEFAULT 42;
CREATE DOMAIN kinds.code AS varchar(3);
CREATE DOMAIN kinds.short_code AS kinds.code CHECK (VALUE <> 'x');
CREATE DOMAIN kinds.price AS numeric(6, 2) CHECK (VALUE >= 0);
CREATE DOMAIN kinds.few AS integer[] CHECK (cardinality(VALUE) < 4);
CREATE DOMAIN kinds.tagged AS jsonb CHECK (VALUE <> '{}');

CREATE TYPE kinds.point3 AS (x integer, y numeric(4, 1), label varchar(5));
CREATE TYPE kinds.nested AS (p kinds.point3, list kinds.point3[], m kinds.mood, "Odd Name" text, d kinds.positive, j json);
CREATE DOMAIN kinds.checked_point AS kinds.point3 CHECK ((VALUE).x > 0);

CREATE TYPE kinds.floatrange AS RANGE (subtype = float8);
CREATE TYPE kinds.moodrange AS RANGE (subtype = kinds.mood);
