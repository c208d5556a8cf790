\timing off
-- Every contender has written every row.
SELECT 1 / (count(*) = 267000)::int FROM works;
