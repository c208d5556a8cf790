-- Makes the tables of a catalogue in a cluster of Citus: composers on each node, works in shards. The variables coordinator,
-- worker_1 and worker_2 name the hosts of its servers, or the folders of their sockets, and port the port of all three.
CREATE EXTENSION citus;
SELECT citus_set_coordinator_host(:'coordinator', :port) \g /dev/null
SELECT citus_add_node(host, :port) FROM (VALUES (:'worker_1'), (:'worker_2')) AS worker(host) \g /dev/null
CREATE EXTENSION pg_opus;
SELECT create_catalogue() \g /dev/null
SELECT create_reference_table('composers') \g /dev/null
SELECT create_distributed_table('works', 'work_id') \g /dev/null
SELECT table_name, citus_table_type, shard_count FROM citus_tables ORDER BY table_name;
