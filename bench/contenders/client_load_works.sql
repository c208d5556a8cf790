\set works `cat :dir/works.json`
\o
\timing on
SELECT load_works($1::text) \bind :works \g
