-- likely_same_composers() lists composers that differ only in how a name is written, and merges nobody.
CREATE SCHEMA likely_same;
SET search_path = likely_same, public;
SELECT * FROM likely_same_composers();
\echo :SQLSTATE
SELECT create_catalogue();
SELECT * FROM likely_same_composers();
SELECT load_composers('[{"id":"Category:Smetana, Bed\u0159ich","type":"1"},{"id":"Category:Saint-Sa\u00ebns, Camille","type":"1"},
  {"id":"Category:Bach, Carl Philipp Emanuel","type":"1"},{"id":"Category:Lutos\u0142awski, Witold","type":"1"},{"id":"Category:???","type":"1"},{"id":"Category:!!!","type":"1"}]');
SELECT load_composers('{"composers":[{"id":1,"name":"Smetana","complete_name":"Bedrich Smetana"},{"id":2,"name":"Saint Saens","complete_name":"camille Saint Saens"},
  {"id":3,"name":"SAINT-SAENS","complete_name":"Camille SAINT-SAENS"},{"id":4,"name":"Bach","complete_name":"Carl Philip Emanuel Bach"},{"id":5,"name":"Lutoslawski","complete_name":"Witold Lutoslawski"}]}');
SELECT * FROM likely_same_composers();
SELECT count(*) FROM composers;
-- Joined with what is known of them.
SELECT a.complete_name, b.complete_name, b.openopus_id
FROM likely_same_composers() s JOIN composers a USING (composer_id) JOIN composers b ON b.composer_id = s.likely_same_as ORDER BY 1, 2;

-- In a read-only transaction, and with the caller's rights and row security.
BEGIN READ ONLY;
SELECT count(*) FROM likely_same_composers();
ROLLBACK;
CREATE ROLE likely_same_reader;
GRANT USAGE ON SCHEMA likely_same TO likely_same_reader;
SET ROLE likely_same_reader;
SELECT * FROM likely_same_composers();
\echo :SQLSTATE
RESET ROLE;
GRANT SELECT (composer_id) ON composers TO likely_same_reader;
ALTER TABLE composers ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON composers USING (composer_id LIKE 'S%');
SET ROLE likely_same_reader;
SELECT * FROM likely_same_composers();
RESET ROLE;

-- A hundred thousand that all are alike make a hundred thousand rows, not their square.
ALTER TABLE composers DISABLE ROW LEVEL SECURITY;
INSERT INTO composers (composer_id, last_name, complete_name) SELECT 'A' || repeat('.', n % 300) || repeat(',', n / 300) , 'A', 'A' FROM generate_series(1, 100000) n;
SELECT count(*), count(DISTINCT composer_id) FROM likely_same_composers() WHERE composer_id LIKE 'A%';
DROP OWNED BY likely_same_reader;
DROP ROLE likely_same_reader;
