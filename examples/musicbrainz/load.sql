\set ON_ERROR_STOP on
\set artists `cat artists.json`
\set artists_mapping `cat artists.mapping.json`
\set works `cat works.json`
\set works_mapping `cat works.mapping.json`

SELECT load_records('artists', :'artists', :'artists_mapping');
-- The composer of one of the works is not among the artists: it is set aside, and told.
SELECT load_records('musical_works', :'works', :'works_mapping', on_error => 'ignore');
SELECT ordinal, path, reason FROM rejected_records;
