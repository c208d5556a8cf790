"""A load needs the privileges that the server asks for the same INSERT, whether or not a row is there."""

import itertools
import json

import psycopg
import pytest

GRANTS = ["INSERT", "SELECT", "UPDATE", "INSERT (id, a)", "SELECT (id)", "SELECT (id, a)", "UPDATE (a)", "UPDATE (a, b)", "SELECT (id, a, b)"]
# Each alone, any two, and what is enough in some way.
SETS = [*itertools.combinations(GRANTS, 1), *itertools.combinations(GRANTS, 2), GRANTS[:3], ["INSERT", "SELECT (id, a)", "UPDATE (a)"],
        ["INSERT (id, a)", "SELECT (id, a)", "UPDATE (a)"], ["INSERT", "SELECT (id, a, b)", "UPDATE (a, b)"]]
COLUMNS = [["id", "a"], ["id", "a", "b"]]


def insert(columns, policy, rows):
    """The statement that a load stands for."""
    names, values = ", ".join(columns), ", ".join("n" if column == "id" else "1" for column in columns)
    rest = [column for column in columns if column != "id"]
    conflict = {
        "error": "",
        "skip": "ON CONFLICT (id) DO NOTHING",
        "update": f"ON CONFLICT (id) DO UPDATE SET {', '.join(f'{c} = excluded.{c}' for c in rest)} WHERE "
                  + " OR ".join(f"t.{c} IS DISTINCT FROM excluded.{c}" for c in rest),
    }[policy]
    return f"INSERT INTO t ({names}) SELECT {values} FROM generate_series(1, {rows}) n {conflict}"


def outcome(session, sql, *parameters):
    try:
        session.run(sql, *parameters)
    except psycopg.Error as error:
        return error.sqlstate
    finally:
        session.run("RESET ROLE")
    return session.run("SELECT count(*), sum(a), sum(b) FROM t")


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize("policy", ["update", "skip", "error"])
def test_privileges_are_those_of_the_insert(catalogue, database, policy, there):
    session = catalogue
    role = f"user_of_{database}"
    session.run(f"CREATE ROLE {role}; CREATE TABLE t (id int PRIMARY KEY, a int, b int)")
    try:
        wrong = []
        for grants, columns, rows in itertools.product(SETS, COLUMNS, [1, 300]):
            session.run(f"REVOKE ALL ON t FROM {role}; REVOKE ALL (id, a, b) ON t FROM {role}")
            session.run("; ".join(f"GRANT {grant} ON t TO {role}" for grant in grants))
            document = json.dumps([{column: n if column == "id" else 1 for column in columns} for n in range(1, rows + 1)])
            found = []
            for sql, parameters in (insert(columns, policy, rows), []), ("SELECT load_records('t', %s, on_conflict => %s)", [document, policy]):
                session.run("TRUNCATE t")
                if there:
                    session.run("INSERT INTO t VALUES (1000, 5, 5)")
                session.run(f"SET ROLE {role}")
                found.append(outcome(session, sql, *parameters))
            if found[0] != found[1]:
                wrong.append((grants, columns, rows, *found))
        assert not wrong, (len(wrong), wrong[:5])
    finally:
        session.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("kind", ["", "PARTITION BY RANGE (id); CREATE TABLE t_0 PARTITION OF t DEFAULT"])
@pytest.mark.parametrize("policy", ["update", "skip"])
def test_row_security_looks_at_each_row_alone(catalogue, role, policy, kind):
    """A row that is new is written as by an INSERT, whether or not the row beside it has a key that the caller does not see."""
    user = role("writer")
    catalogue.run(f"""CREATE TABLE t (id int PRIMARY KEY, who text) {kind}; INSERT INTO t VALUES (5, 'other'), (300, 'other');
        ALTER TABLE t ENABLE ROW LEVEL SECURITY; GRANT ALL ON t, rejected_records TO {user};
        CREATE POLICY seen ON t FOR SELECT USING (who = 'me'); CREATE POLICY new ON t FOR INSERT WITH CHECK (true);
        CREATE POLICY changed ON t FOR UPDATE USING (who = 'me')""")
    document = json.dumps([{"id": n, "who": "x"} for n in range(1, 401)])
    catalogue.run(f"SET ROLE {user}")
    assert catalogue.value("SELECT load_records('t', %s, on_conflict => %s, on_error => 'ignore')", document, policy) == 398
    assert catalogue.run("SELECT ordinal, sqlstate FROM rejected_records ORDER BY ordinal") == [(4, "42501"), (299, "42501")]
    catalogue.run("RESET ROLE")
    assert catalogue.value("SELECT count(*) FROM t WHERE who = 'x'") == 398
