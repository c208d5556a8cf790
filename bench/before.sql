\o /dev/null
TRUNCATE works;
CHECKPOINT;
