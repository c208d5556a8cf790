"""JSON values for columns of any type. Which of them a type takes is the server's word (`Types.accepted`)."""

import json

NUMBERS = """0 1 -1 2 7 42 127 128 255 -128 32767 32768 -32768 -32769 65536 2147483647 2147483648 -2147483648 -2147483649
    4294967295 4294967296 9223372036854775807 9223372036854775808 -9223372036854775809 12345678901234567890123456789
    0.5 -0.5 1.5 2.5 1.0 1.00 100 99.999 9999.99 9999.995 123456.789 0.1 3.4e38 3.5e38 1.7e308 1.8e308 1e-320 1e-400 1e400
    1e2 1E-7 123e-2 0.000000000000000000000000001 -0.0""".split()

STRINGS = [
    "", " ", "x", "a", "A", "é", "ab", "abc", "abcd", "abcdef", "abc   ", "  abc", "ABC", "a b", "O'Brien", 'say "hi"', "back\\slash", "tab\tnew\nline", "名前", "😀", "e\u0301", "\x7f", "null", "NULL", "x" * 300,
    "true", "false", "t", "f", "yes", "no", "on", "off", "maybe", " true ", "1", "0", "-1", " 12 ", "+5", "-0", "007", "1.5", "1.50", "1e3", "0x1F", "0o17", "0b11", "1_000", "32768", "2147483648", "9223372036854775808", "NaN", "nan", "Infinity", "-inf", "1e400", "1e-400", ".5", "5.", "1,5", "$1,234.56", "12 EUR",
    "2020-02-29", "2021-02-29", "2020-02-30", "20200229", "1/2/2003", "Feb 3 2004", "0044-03-15 BC", "4714-11-24 BC", "5874897-12-31", "294276-12-31 23:59:59.999999", "infinity", "-infinity", "epoch", "2020-01-02T03:04:05Z", "2020-01-02 03:04:05.6789123+05:30", "2020-01-02 03:04:60", "2020-01-02 24:00:00", "2020-01-02 25:00:00", "2020-06-01 12:00:00 Europe/Paris", "2020-01-02 03:04:05 Nowhere/City", "03:04", "24:00:00", "23:59:60", "allballs", "03:04:05.123456789", "03:04:05-08", "03:04:05 PST",
    "1 day", "1 year 2 mons -3 days 04:05:06.789", "P1Y2M3DT4H5M6S", "@ 1 minute ago", "1.5 days", "10:20", "99999999 years",
    "123e4567-e89b-12d3-a456-426614174000", "{123E4567E89B12D3A456426614174000}", "123e4567-e89b-12d3-a456-42661417400", "\\xdeadBEEF", "\\xdeadbee", "\\000\\134", "\\", "101", "B101", "x1F", "1012",
    "192.168.0.1", "192.168.0.1/24", "192.168.0.0/24", "::1", "fe80::1/64", "08:00:2b:01:02:03", "08002b:010203", "08:00:2b:01:02:03:04:05",
    "(1,2)", "1,2", "(1,2),(3,4)", "((0,0),(1,1),(2,0))", "[(0,0),(1,1)]", "{1,2,3}", "<(1,2),3>", "{1,-1,0}", "(1,2,)",
    "[1,5)", "(1,5]", "empty", "[5,1)", "[2020-01-01,2020-02-01)", "(,3)", "{[1,2),[5,9)}", "{}", "[sad,happy]",
    "{a,b}", '{"a b",NULL,"c\\"d"}', "{{1,2},{3,4}}", "{{1},{2,3}}", "[0:1]={1,2}", "{1,2", "{1,x}", '{"x","y"}', "{t,f}", "{2020-01-01}",
    "(1,2.5,abc)", "(1,2.25,toolong)", "(0,1,a)", "(,,)", "(1)", '("(1,2,a)","{}",sad,x,1,{})',
    "sad", "happy", "glad", "a=>1, b=>NULL", "Top.Science", "1.5 .. 2.5", "9780393040029", "9790230671187", "1436-4522", "220356483481", "a & b | !c", "fat:3 cat:1,2A", "a fat cat", "$.a[*] ? (@ > 1)", "$.",
    "10:20:10,14,15", "16/B374D848", "(0,1)", "1 2 3", "pg_class", "pg_catalog.pg_class", "no_such_thing", "int4", "numeric(5,2)", "lower(text)", "now", "simple", "postgres=r/postgres", "C", "pg_catalog", "<a>b</a>", "<a>",
    '{"a": 1}', '{"b":[1, 2.0],"a":null, "a": 2}', "[1, 2", '"quoted"',
]
# It is another one with each transaction.
STRINGS.remove("now")

STRUCTURES = [
    None, True, False, [], {}, [1, 2], ["a", "b"], ["a", None], [None], [[1, 2], [3, 4]], [[1], [2, 3]], [[], []], [1, "x"], ["1", "2"], [1.5, 2], [1, 2, 3, 4], ["2020-01-01", "2021-01-01"], [True, False], [{}], [[[1]]],
    ["sad", "ok"], ["sad", "glad"], ["abc", "abcd"], [{"x": 1}, {"x": 2, "y": 3}], ["(1,2,a)"],
    {"a": 1}, {"b": [1, {"c": None}], "a": "x"}, {"x": 1, "y": 2.5, "label": "abc"}, {"x": "1", "y": "2.25", "label": "abcde "}, {"x": 1, "y": 2, "label": "toolong"}, {"x": 0}, {"x": None}, {"x": "no"}, {"y": 12345.6},
    {"p": {"x": 1, "y": 1}, "list": [{"x": 1}, {"label": "é"}], "m": "ok", "Odd Name": "O", "d": 1, "j": {"k": [1, 1e2]}}, {"p": "(1,2,a)", "d": 0}, {"d": 5, "m": "glad"}, {"d": 5, "list": "{}"}, {"d": 5, "list": [1]}, {"d": 3, "odd name": "o"}, {"d": 1, "p": [1]},
]

# As JSON text, since Python would lose digits of the numbers.
POOL = NUMBERS + [json.dumps(value) for value in STRINGS + STRUCTURES]
SMALL = 40


def random_json(random):
    """Any value, of which no type is known to take it."""
    kind = random.randrange(8)
    if kind == 0:
        return str(random.randint(-10 ** random.randint(1, 40), 10 ** random.randint(1, 40)))
    if kind == 1:
        return f"{random.randint(-99999, 99999)}.{random.randint(0, 10 ** random.randint(1, 20))}"
    if kind == 2:
        return f"{random.randint(-9, 9)}{random.choice(['', '.5'])}e{random.randint(-330, 330)}"
    if kind == 3:
        return json.dumps(str(random.randint(-10 ** 10, 10 ** 10)))
    if kind == 4:
        year, month, day = random.choice([1, 999, 1970, 2024, 9999]), random.randint(1, 12), random.randint(1, 31)
        return json.dumps(f"{year:04}-{month:02}-{day:02}" + random.choice(["", f"T{random.randint(0, 24):02}:30:{random.randint(0, 60):02}.25", " 12:00+02"]))
    if kind == 5:
        return json.dumps("".join(random.choice("aéß名 \\\"'{},()x\U0001F600") for _ in range(random.choice([1, 5, 12, 3000] if random.random() < 0.1 else [1, 3, 6]))))
    if kind == 6:
        return "[" + ", ".join(random.choice(POOL) for _ in range(random.randint(0, 4))) + "]"
    members = {random.choice(["x", "y", "label", "d", "z"]): random.choice(POOL) for _ in range(random.randint(0, 4))}
    return "{" + ", ".join(f"{json.dumps(key)}:{value}" for key, value in members.items()) + "}"


class Types:
    """What the server says of types: asked once for each."""

    def __init__(self, session):
        self.session = session
        self.taken = {}
        # Without int2vector and oidvector, which are arrays to jsonb_populate_record: it makes some that cannot be printed.
        self.simple = [row[0] for row in session.execute("""
            SELECT CASE t.typnamespace WHEN 'kinds'::regnamespace THEN 'kinds.' || quote_ident(t.typname) ELSE format_type(t.oid, NULL) END
            FROM pg_type t
            WHERE t.typtype IN ('b', 'r', 'm', 'e', 'd') AND t.typinput <> 0 AND t.typisdefined AND t.typname <> 'unknown'
                AND t.typnamespace IN ('pg_catalog'::regnamespace, 'kinds'::regnamespace)
                AND (t.typelem = 0 OR t.typsubscript <> 'array_subscript_handler'::regproc)
            ORDER BY t.typnamespace = 'kinds'::regnamespace, t.typname COLLATE "C" """)]
        self.simple += ["kinds.point3", "kinds.nested"]
        # Those that tables have mostly.
        self.common = ["boolean", "smallint", "integer", "bigint", "real", "double precision", "numeric", "text", "character varying", "uuid", "date", "timestamp without time zone", "timestamp with time zone", "json", "jsonb", "bytea"]

    def accepted(self, type):
        """The values of the pool that a column of the type takes, nulls not counted."""
        if type not in self.taken:
            (places,) = self.session.execute(
                "SELECT oracle.accepted(%s, %s::jsonb)", [type, "[" + ",".join(POOL) + "]"]).fetchone()
            self.taken[type] = [POOL[place] for place in places if POOL[place] != "null"]
        return self.taken[type]

    def literal(self, type, value):
        """The value as SQL writes it; None if it can't be written so."""
        return self.session.execute("SELECT oracle.literal(%s, %s::jsonb)", [type, value]).fetchone()[0]

    def small(self, type):
        """Those that fit into an index."""
        return [value for value in self.accepted(type) if len(value) <= SMALL]

    def random(self, random):
        """A type: of the server's and the user's alike, with a modifier or as an array where it has these."""
        type = random.choice(self.common if random.random() < 0.4 else self.simple)
        modifier = {
            "character varying": lambda: f"character varying({random.choice([1, 3, 5, 20])})",
            "character": lambda: f"character({random.choice([1, 3, 6])})",
            "numeric": lambda: random.choice(["numeric(5,2)", "numeric(3,0)", "numeric(1000,2)", "numeric(3,-2)", "numeric(2,4)"]),
            "bit": lambda: f"bit({random.choice([1, 3, 4])})",
            "bit varying": lambda: f"bit varying({random.choice([2, 5])})",
            "time without time zone": lambda: f"time({random.choice([0, 3])})",
            "time with time zone": lambda: f"time({random.choice([0, 3])}) with time zone",
            "timestamp without time zone": lambda: f"timestamp({random.choice([0, 2])})",
            "timestamp with time zone": lambda: f"timestamp({random.choice([0, 2])}) with time zone",
            "interval": lambda: random.choice(["interval day to second(2)", "interval year to month", "interval(0)", "interval hour"]),
        }
        if type in modifier and random.random() < 0.5:
            type = modifier[type]()
        if random.random() < 0.2:
            type += "[]"
        return type
