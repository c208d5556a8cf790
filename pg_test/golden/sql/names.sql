-- Names become keys, so that the two catalogues meet in one row, and the keys of works can be computed elsewhere.
CREATE SCHEMA names;
SET search_path = names, public;
SET datestyle = iso;
\pset null (null)
SELECT create_catalogue();

-- IMSLP: the last name, a comma, the rest.
SELECT load_composers('[
    {"id":"Category:Bach, Johann Sebastian"},
    {"id":"Category:Burr, Willard, Jr."},
    {"id":"Category:Anonymous"},
    {"id":"Category:Hildegard von Bingen"},
    {"id":"Category:d''Indy, Vincent"},
    {"id":"Category:  Saint-Saëns ,  Camille "},
    {"id":"Category:Falla, Manuel de"},
    {"id":"Category:Smith,John"},
    {"id":"Various,","type":"1"},
    {"id":"Category:Dvořák, Antonín"}]');
SELECT composer_id, last_name, first_name, complete_name FROM composers ORDER BY composer_id;

-- Open Opus: a name that the complete name ends with, and the five real ones it does not end with.
TRUNCATE composers, works;
SELECT load_composers('{"composers":[
    {"id":1,"name":"Bach","complete_name":"Johann Sebastian Bach"},
    {"id":2,"name":"de Falla","complete_name":"Manuel de Falla"},
    {"id":3,"name":"Hildegard von Bingen","complete_name":"Hildegard von Bingen"},
    {"id":4,"name":"Bach, C.P.E.","complete_name":"Carl Philipp Emanuel Bach"},
    {"id":5,"name":"Bach, J.C.","complete_name":"Johann Christian Bach"},
    {"id":6,"name":"Janacek","complete_name":"Leoš Janáček"},
    {"id":7,"name":"Marcello, A.","complete_name":"Alessandro Marcello"},
    {"id":8,"name":"Marcello","complete_name":"Benedetto Marcello"},
    {"id":9,"name":"Scarlatti, A.","complete_name":"Alessandro Scarlatti"},
    {"id":10,"name":"Scarlatti","complete_name":"Domenico Scarlatti"},
    {"id":11,"name":"Bach","complete_name":"Johann Offenbach"},
    {"id":12,"name":"Nobody","complete_name":"Somebody Else"}]}');
SELECT openopus_id, composer_id, last_name, first_name, complete_name FROM composers ORDER BY openopus_id;

-- The two catalogues meet, whichever comes first.
TRUNCATE composers, works;
\set imslp '[{"id":"Category:Bach, Johann Sebastian","type":"1","permlink":"https://x.org/bach"}]'
\set open_opus '{"composers":[{"id":87,"name":"Bach","complete_name":"Johann Sebastian Bach","birth":"1685"}]}'
SELECT load_composers(:'imslp'), load_composers(:'open_opus'), load_composers(:'imslp');
SELECT * FROM composers \gx
TRUNCATE composers, works;
SELECT load_composers(:'open_opus'), load_composers(:'imslp'), load_composers(:'open_opus');
SELECT composer_id, birth, openopus_id, permlink FROM composers;

-- work_id is a UUIDv5 in the namespace that is the UUIDv5 of pg_opus in the namespace of domain names. The other
-- side of each comparison was computed by Python:
-- uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_DNS, 'pg_opus'), NAME).
SELECT load_works('[
    {"id":"\"A\" (Ferrari, Carlotta)","intvals":{"composer":"Ferrari, Carlotta","worktitle":"string","pageid":" 1637322"}},
    {"id":"B (Ferrari, Carlotta)","intvals":{"composer":"Ferrari, Carlotta","worktitle":"number","pageid":42}},
    {"id":"C  d (Ferrari,  Carlotta)","intvals":{"composer":"Ferrari, Carlotta","worktitle":"no page"}},
    {"id":"Élégie (Fauré, Gabriel)","intvals":{"composer":"Fauré, Gabriel","worktitle":"no page, accents","pageid":""}}]',
    create_composers => true);
SELECT load_works('{"composer":{"name":"Schumann","complete_name":"Robert Schumann"},
    "works":[{"id":"15091","title":"Carnaval, op. 9"}]}', create_composers => true);
SELECT load_works('{"composers":[
    {"name":"Bach","complete_name":"Johann Sebastian Bach","works":[
        {"title":"Air"}, {"title":" Air "}, {"title":"Air","subtitle":"for  strings"}, {"title":"Air","subtitle":""}]},
    {"name":"Janacek","complete_name":"Leoš Janáček","works":[{"title":"Air"}]},
    {"name":"Bach","complete_name":"Johann Sebastian Bach","works":[{"title":"Air"}]}]}', create_composers => true);
SELECT identity, title, w.composer_id
FROM (VALUES
    (0, 'imslp:1637322', '760472bb-2f8c-5202-a39e-88269f63926c'::uuid),
    (1, 'imslp:42', '44699d82-2090-5347-8d42-949b381cc2f1'::uuid),
    (2, 'imslp:C d (Ferrari, Carlotta)', '8873d69c-31a7-5520-b2e5-cf95b40d2c49'::uuid),
    (3, 'imslp:Élégie (Fauré, Gabriel)', '582f4303-7ece-5bbb-9b4f-f9c3dd52c371'::uuid),
    (4, 'openopus:15091', 'aa7b2d2d-8131-59f8-8d3f-309bc9b8ff4e'::uuid),
    (5, 'openopus:Bach,_Johann_Sebastian/Air//0', '21298a23-2730-5035-a45e-c7422e511f3f'::uuid),
    (6, 'openopus:Bach,_Johann_Sebastian/Air//1', '5bdcbc63-de47-51f0-b930-40689a68a4c2'::uuid),
    (7, 'openopus:Bach,_Johann_Sebastian/Air/for strings/0', 'a4e66331-44c7-5d86-a46f-ae412ac93c75'::uuid),
    (8, 'openopus:Bach,_Johann_Sebastian/Air//2', '9dd295be-4cd6-5e99-a84e-974bb3baa618'::uuid),
    (9, 'openopus:Bach,_Johann_Sebastian/Air//3', '36b31fd1-f312-515d-942f-a588aa6585d6'::uuid),
    (10, 'openopus:Janáček,_Leoš/Air//0', '2b29f922-bff4-5c56-8943-e631ba991326'::uuid)
) AS python (place, identity, work_id)
LEFT JOIN works w USING (work_id)
ORDER BY place;
SELECT count(*) FROM works;
