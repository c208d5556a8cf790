-- What the tests' databases have in common.

-- Sets session_replication_role aside as a value that a function can look at.
CREATE TABLE seen (place text, replication_role text, who text, path text, detail text);
GRANT ALL ON seen TO PUBLIC;

-- Tells where it was called, and under which role. Returns true.
CREATE FUNCTION see(place text, detail text DEFAULT NULL) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.seen VALUES (place, current_setting('session_replication_role'), current_user::text,
        current_setting('search_path'), detail);
    RETURN true;
END $$;
