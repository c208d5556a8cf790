"""Random tables: their DDL, and what the loop has to know of their columns."""

import json
from dataclasses import dataclass, field, replace

# Types that an index on unique keys can have.
KEY_TYPES = ["smallint", "integer", "bigint", "numeric", "numeric(5,2)", "double precision", "text", "character varying(5)",
             "character(4)", "bytea", "uuid", "date", "timestamp without time zone", "timestamp(0) with time zone", "interval",
             "inet", "boolean", "oid", '"char"', "name", "bit(3)", "money", "jsonb", "int4range", "integer[]", "text[]",
             "kinds.mood", "kinds.positive", "kinds.needed", "kinds.code", "kinds.point3", "kinds.citext", "text COLLATE kinds.any_case",
             'text COLLATE "C"', "macaddr", "pg_lsn", "time with time zone"]
# Of these, some are equal and not the same.
TWINS = {"numeric": ["1", "1.0", "1.00", "2", "100"], "double precision": ["0", "-0.0", "1", '"-0"'], "kinds.citext": ['"a"', '"A"', '"b"'],
         "interval": ['"1 day"', '"24:00:00"', '"P1D"', '"1 mon"'], "jsonb": ["1", "1.0", '{"a": 1}', '{"a": 1.0}']}
NAMES = ["id", "a", "b", "A", "title", "Mixed Case", "é", "select", 'quo"te', "a.b", "$x", "*", " lead", "n" * 63, "名", "order", "x", "y",
         "0", "[0]", "null", "ctid_", "back\\slash", "it's", "excluded", "t"]
# A sequence counts from here, and may leave out some: no record has such a number, which would meet the one or the other.
SERVER_NUMBERS = 1 << 50


@dataclass
class Column:
    name: str
    type: str
    # plain, default, serial, identity, always (identity too), stored, virtual
    kind: str = "plain"
    definition: str = ""
    not_null: bool = False
    # Added when rows are there.
    late: bool = False
    # JSON values that records take it from, mostly; all that the type accepts where there are none.
    pool: list = field(default_factory=list)

    @property
    def bare(self):
        """The type without its collation."""
        return self.type.split(" COLLATE ")[0]

    @property
    def is_written(self):
        return self.kind not in ("always", "stored", "virtual")

    @property
    def is_numbered(self):
        return self.kind in ("serial", "identity", "always")

    def sql(self):
        type = "bigserial" if self.kind == "serial" else self.type
        return f"{quoted(self.name)} {type}{self.definition}{' NOT NULL' if self.not_null else ''}"


@dataclass
class Table:
    columns: list
    key: list = field(default_factory=list)
    # primary, unique, nulls (unique, nulls not distinct)
    key_kind: str = None
    constraints: list = field(default_factory=list)
    # Columns that refer to parents.p, which has the first three quarters of their pools.
    child: list = field(default_factory=list)
    dropped: set = field(default_factory=set)

    def ddl(self, schema):
        name = f"{schema}.target"
        lines = []
        for place, column in enumerate(self.columns):
            if place in self.dropped:
                lines.append(f"gone_{place} text DEFAULT 'gone'")
            if not column.late:
                lines.append(column.sql())
        statements = [f"CREATE TABLE {name} ({', '.join(lines)})"]
        statements += [f"ALTER TABLE {name} DROP COLUMN gone_{place}" for place in sorted(self.dropped)]
        if self.key:
            what = {"primary": "PRIMARY KEY", "unique": "UNIQUE", "nulls": "UNIQUE NULLS NOT DISTINCT"}[self.key_kind]
            statements.append(f"ALTER TABLE {name} ADD {what} ({', '.join(map(quoted, self.key))})")
        statements += [f"ALTER TABLE {name} ADD {constraint}" for constraint in self.constraints]
        statements += [f"SELECT setval(pg_get_serial_sequence({literal(name)}, {literal(column.name)}), {SERVER_NUMBERS})"
                       for column in self.columns if column.is_numbered and not column.late]
        if self.child:
            names = ", ".join(quoted(column.name) for column in self.child)
            statements.append(f"ALTER TABLE {name} ADD FOREIGN KEY ({names}) REFERENCES parents.p ({names})")
        return statements

    def parent_ddl(self):
        if not self.child:
            return []
        names = [quoted(column.name) for column in self.child]
        definitions = ", ".join(f"{name} {column.type}" for name, column in zip(names, self.child))
        rows = zip(*(column.pool[:(3 * len(column.pool) + 3) // 4] for column in self.child))
        members = [",".join(f"{json.dumps(column.name)}:{value}" for column, value in zip(self.child, row)) for row in rows]
        records = "[" + ",".join("{" + row + "}" for row in members) + "]"
        return [f"CREATE TABLE parents.p ({definitions}, UNIQUE ({', '.join(names)}))",
                f"INSERT INTO parents.p SELECT DISTINCT ON ({', '.join(names)}) x.* FROM jsonb_to_recordset({literal(records)}) AS x({definitions})"]

    def late_ddl(self, schema):
        """Columns that come when rows are there."""
        return [f"ALTER TABLE {schema}.target ADD COLUMN IF NOT EXISTS {column.sql()}" for column in self.columns if column.late]

    def at(self, place):
        """As a document finds it: the late columns come behind the first one, and behind the others."""
        late = [column for column in self.columns if column.late and place > 0]
        return replace(self, columns=[column for column in self.columns if not column.late] + late)

    def written(self):
        return [column for column in self.columns if column.is_written]

    def images(self, alias):
        """The columns to be compared: numbers that the server has made are one like the other."""
        for column in self.columns:
            name = f"{alias}.{quoted(column.name)}"
            if column.kind == "always":
                name = f"{name} IS NULL"
            elif column.is_numbered:
                name = f"CASE WHEN {name} BETWEEN {SERVER_NUMBERS} AND {2 * SERVER_NUMBERS} THEN 0 ELSE {name} END"
            yield f"{name} AS {quoted(column.name)}"


def quoted(name):
    return '"' + name.replace('"', '""') + '"'


def literal(text):
    return "'" + text.replace("'", "''") + "'"


def random_table(random, types, major):
    count = random.choice([1, 2, 3, 4, 4, 5, 5, 6, 7, 8, 10, 12] if random.random() < 0.95 else [40, 200])
    names = random.sample(NAMES, min(count, len(NAMES))) + [f"c{n}" for n in range(len(NAMES), count)]
    columns = [Column(name, types.random(random)) for name in names]
    table = Table(columns)
    choose_key(random, types, table)
    if not any(column.is_numbered for column in columns) and random.random() < 0.15:
        for column in random.sample(columns, 1):
            if column.name not in table.key:
                make_numbered(random, column)
    plain = [column for column in columns if column.kind == "plain" and column.name not in table.key]
    for column in plain:
        if count > 2 and random.random() < 0.06 and not is_named(column, columns):
            make_generated(random, column, columns, major)
    add_defaults(random, types, table)
    add_checks(random, table)
    add_parent(random, types, table)
    make_late(random, table)
    table.dropped = {place for place in range(count) if random.random() < 0.1}
    return table


def make_late(random, table):
    """What rows that are there can be given: no numbers, which would have no order, and nothing that could be refused."""
    for column in table.columns[1:]:
        must_be = (column.not_null or column.type == "kinds.needed") and column.kind == "plain"
        is_free = column.name not in table.key and column not in table.child and not table.constraints
        if is_free and not is_named(column, table.columns) and not must_be and column.kind in ("plain", "default") and random.random() < 0.08:
            column.late = True


def is_named(column, columns):
    """Whether a generated column is made of it."""
    return any(quoted(column.name) in other.definition for other in columns)


def choose_key(random, types, table):
    if random.random() < 0.12:
        return
    size = min(random.choice([1, 1, 1, 2, 2, 3, 4]), len(table.columns))
    key = random.sample(table.columns, size)
    table.key_kind = random.choice(["primary", "primary", "unique"])
    for column in key:
        column.type = random.choice(KEY_TYPES)
        if not types.small(column.bare):
            column.type = "integer"
        # A few, so that keys meet.
        column.pool = some(random, TWINS.get(column.bare) or types.small(column.bare), 5)
    if size == 1 and random.random() < 0.25:
        make_numbered(random, key[0])
    table.key = [column.name for column in key]


def make_numbered(random, column):
    column.kind = random.choice(["serial", "identity", "always"])
    column.type = "bigint"
    column.pool = [str(1_000_000 + n) for n in range(6)]
    if column.kind != "serial":
        column.definition = f" GENERATED {'ALWAYS' if column.kind == 'always' else 'BY DEFAULT'} AS IDENTITY"


def make_generated(random, column, columns, major):
    others = [other for other in columns if other is not column and other.kind in ("plain", "default") and not other.late]
    if not others:
        return
    source = random.choice(others)
    name = quoted(source.name)
    column.kind = "virtual" if major >= 18 and random.random() < 0.4 else "stored"
    # A virtual column is made when it is read, and may not fail then; nor have a type of a user's.
    expressions = [("boolean", f"{name} IS NULL")]
    if column.kind == "stored" and source.bare in ("smallint", "integer", "bigint", "numeric"):
        expressions += [(source.bare, f"{name} + 1"), ("smallint", f"{name}::smallint")]
    if column.kind == "virtual" and "kinds." in source.type:
        column.kind = "stored"
    column.type, expression = random.choice(expressions)
    column.definition = f" GENERATED ALWAYS AS ({expression}) {column.kind.upper()}"


def add_defaults(random, types, table):
    for column in table.columns:
        is_key = column.name in table.key
        small = types.small(column.bare)
        if column.kind == "plain" and small and not is_key and random.random() < 0.25:
            default = types.literal(column.bare, random.choice(small))
            if default is not None:
                column.kind, column.definition = "default", f" DEFAULT {default}"
        if column.kind in ("plain", "default") and types.accepted(column.bare) and not is_key and random.random() < 0.07:
            column.not_null = True


def add_checks(random, table):
    for column in table.columns:
        if column.kind in ("plain", "default") and random.random() < 0.06:
            table.constraints.append(f"CHECK ({quoted(column.name)}::text NOT IN ('7', 'abc', '42', 't', '{{}}', 'ok'))")


def add_parent(random, types, table):
    columns = [column for column in table.columns if column.kind == "plain" and column.bare in KEY_TYPES
               and "kinds." not in column.type and types.small(column.bare)]
    if columns and random.random() < 0.5:
        table.child = random.sample(columns, min(len(columns), random.choice([1, 1, 2])))
        for column in table.child:
            column.pool = column.pool or some(random, types.small(column.bare), 8)


def some(random, values, most):
    return random.sample(values, min(len(values), most))
