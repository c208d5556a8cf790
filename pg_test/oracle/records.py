"""Random documents for a table: records, the form they have, and mappings that lead to their values."""

import json
from dataclasses import dataclass, replace

from values import POOL, random_json

NO_OBJECTS = ["null", "5", '"x"', "[]", "[1, 2]", "true"]
STRANGE = ["Unknown", "ID", "tableoid", "xmin", "ctid", "", "ß", "m", "in"]
# Of a document: an array, in one line or over several, or as jsonb; or one record after the other.
FORMS = ["array"] * 4 + ["spread", "jsonb", "jsonb", "lines", "lines", "concatenated"]
IN_LINES = ("lines", "concatenated")


@dataclass
class Document:
    # Each as JSON text: Python would lose digits, and members that are there twice.
    records: list
    on_conflict: str
    form: str
    mapping: dict
    # How the load goes about it: no matter for what it does.
    bulk: bool
    workers: int
    # What the loop has to know of the mapping: paths by column, and the members that some column takes.
    paths: dict
    taken: list

    def without(self, some):
        return replace(self, records=[record for place, record in enumerate(self.records) if place not in some])

    @property
    def others(self):
        return self.mapping.get("others", "ignore")

    def array(self):
        return "[" + ",".join(self.records) + "]"

    def text(self):
        if self.form in IN_LINES:
            return ("\n" if self.form == "lines" else " ").join(self.records)
        array = "[" + ("\n,\n" if self.form == "spread" else ", ").join(self.records) + "]"
        if "records" in self.mapping:
            return '{"count": 5, "answer": {"list": ' + array + ', "x": [1, {"list": []}]}}'
        return array

    def loop_arguments(self, table):
        """Those of oracle.loop behind the records."""
        columns = [{"name": column.name, "type": column.bare, "paths": self.paths[column.name]}
                   for column in table.written() if column.name in self.paths]
        key = table.key if self.on_conflict != "error" else []
        # A path from the record's own members wants an object.
        return [json.dumps(columns), key, table.key_kind == "nulls", self.on_conflict, self.others, self.taken, True]


def path_to(*steps):
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else "." + json.dumps(step) for step in steps)


class Places:
    """Where in a record the columns' values are: by the columns' names, or as a mapping says."""

    def __init__(self, random, table, others, mapped):
        columns = [column for column in table.written() if column.name != others]
        # By column: the kind of place, and the paths.
        self.at = {column.name: ("member", [path_to(column.name)]) for column in columns}
        # A mapping names one column at least.
        self.mapped = mapped and bool(columns)
        self.taken = {column.name for column in table.columns if column.name != others}
        if not self.mapped:
            return
        chosen = [column for column in columns if column.name in table.key or column in table.child or random.random() < 0.7]
        self.at = {}
        for number, column in enumerate(chosen or columns[:1]):
            name = column.name
            self.at[name] = random.choice([
                ("member", [path_to(name)]),
                ("inner", [path_to("in", name)]),
                ("element", [path_to(f"l{number}", 1)]),
                ("choice", [path_to(f"first{number}"), path_to(f"then{number}", "v")]),
                ("lax", [path_to(f"o{number}", 0, "v")]),
                ("lax", [path_to(f"o{number}", "v", 0)]),
            ])
        self.taken = {first_step(path) for _, paths in self.at.values() for path in paths}

    def record(self, random, members):
        """The record that has these columns' values at their places, as a list of names and texts."""
        record, inner = [], []
        for name, value in members.items():
            kind, paths = self.at.get(name, ("member", None))
            if kind == "member":
                record.append((name, value))
            elif kind == "inner":
                inner.append((name, value))
            elif kind == "element":
                record.append((first_step(paths[0]), f"[{random.choice(POOL[:20])}, {value}]"))
            elif kind == "lax":
                # An array stands for its elements, and a value for an array of it.
                around = random.choice(['{"v": %s}', '{"v": [%s]}', '[{"v": %s}]', '[{"v": [%s, 2]}]', '[5, {"v": %s}]', '[[{"v": %s}]]', '[{"v": %s}, {"w": 1}]',
                                        '{"v": [[%s]]}', "[%s]", "%s"])
                record.append((first_step(paths[0]), around.replace("%s", value)))
            else:
                if random.random() < 0.5:
                    record.append((first_step(paths[0]), value))
                if random.random() < 0.5:
                    record.append((first_step(paths[1]), f'{{"v": {value}}}'))
        if inner or random.random() < 0.2:
            one = object_of(inner)
            record.append(("in", random.choice([one] * 12 + [f"[{one}]", f'[5, {one}, {{"z": 1}}]', f"[{one}, {one}]"])))
        return record


def first_step(path):
    """The name of the first member on a path."""
    return json.JSONDecoder().raw_decode(path, 2)[0]


def object_of(members):
    return "{" + ", ".join(f"{json.dumps(name, ensure_ascii=False)}:{value}" for name, value in members) + "}"


def random_member(random, types, column, wrong):
    """A value for the column; `wrong`: one that it may well refuse."""
    if wrong:
        return random.choice(POOL) if random.random() < 0.7 else random_json(random)
    if random.random() < 0.1:
        return "null"
    return random.choice(column.pool or types.accepted(column.bare) or ["null"])


def random_members(random, types, table, shape):
    """Values for the columns of the table, those of the shape mostly."""
    wrong = min(0.25 / len(table.columns), 0.1)
    members = {}
    for column in table.columns:
        if not column.is_written:
            # It is passed over, whatever it is.
            if random.random() < 0.2:
                members[column.name] = random.choice(POOL)
        elif random.random() < (0.95 if column.name in shape else 0.03):
            members[column.name] = random_member(random, types, column, random.random() < wrong)
    together = [column for column in table.child if column.name in members]
    if len(together) > 1 and random.random() < 0.8:
        place = random.randrange(min(len(column.pool) for column in together))
        members |= {column.name: column.pool[place] for column in together}
    return members


def random_record(random, types, table, places, shape):
    record = places.record(random, random_members(random, types, table, shape))
    if random.random() < 0.1:
        record.append((random.choice(STRANGE), random.choice(POOL)))
    random.shuffle(record)
    if record and random.random() < 0.05:
        # Of a member that is there twice, the last is the one.
        record.insert(0, (random.choice(record)[0], random.choice(POOL)))
    return object_of(record)


def random_document(random, types, table, forms):
    on_conflict = random.choice(["update", "update", "skip", "error"]) if table.key else "error"
    mapping = {}
    if table.key_kind in ("unique", "nulls") and on_conflict != "error":
        mapping["key"] = random.sample(table.key, len(table.key))
    rest = [column.name for column in table.written() if column.type == "jsonb" and column.name not in table.key]
    if random.random() < 0.25:
        mapping["others"] = random.choice(["ignore", "error"] + rest)
    others = mapping.get("others")
    places = Places(random, table, others, mapped=random.random() < 0.3)
    if places.mapped:
        mapping["columns"] = {name: paths if len(paths) > 1 else paths[0] for name, (_, paths) in places.at.items()}
    form = random.choice(forms)
    if form not in IN_LINES and random.random() < 0.2:
        mapping["records"] = random.choice(["$.answer.list[*]", ["$.nothing", '$."answer"."list"[*]'], "lax $.answer.list[*]"])
    names = [column.name for column in table.columns]
    shape = lambda: {name for name in names if name in table.key or random.random() < random.choice([0.5, 0.9, 1])}
    shapes = [shape() for _ in range(random.choice([1, 1, 2, 3]))]
    most = 6 if len(names) > 30 else 300 if random.random() < 0.01 else random.choice([3, 12, 30])
    records = [random_record(random, types, table, places, random.choice(shapes)) for _ in range(random.randint(1, most))]
    if form not in IN_LINES:
        records = [random.choice(NO_OBJECTS) if random.random() < 0.01 else record for record in records]
    paths = {name: paths for name, (_, paths) in places.at.items()}
    if others in rest:
        paths[others] = []
    return Document(records, on_conflict, form, mapping, bulk=random.random() < 0.7, workers=random.choice([None] * 4 + [2]),
                    paths=paths, taken=sorted(places.taken))
