\o
\timing on
SELECT load_works(json) FROM document;
