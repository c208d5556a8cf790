-- The extension, the composers, and the works as uncompressed text in the server.
CREATE EXTENSION pg_opus;
\set composers `cat :dir/composers.json`
SELECT load_composers(:'composers') AS composers \gset
CREATE UNLOGGED TABLE document (json text);
ALTER TABLE document ALTER json SET STORAGE EXTERNAL;
\set works `cat :dir/works.json`
INSERT INTO document VALUES ($1) \bind :works \g
VACUUM ANALYZE;
