"""Prints what bench/run has measured: medians, spread and ratios to ours, and what is to be reached: report.py RESULT."""

import json
import sys
from itertools import product
from statistics import median

from measured import Measured

# scenario, side, the other, ours, our sessions, at least so many times as long as ours.
TARGETS = [
    ("267000", "server", ("SQL, recordset", "SQL, recordset_bare", "SQL, elements_bare"), "ours, text", 1, 3.0),
    ("267000", "server", ("SQL, recordset", "SQL, recordset_bare", "SQL, elements_bare"), "ours, text", 2, 4.0),
    ("267000", "client", ("SQL, recordset", "SQL, recordset_bare", "SQL, elements_bare"), "ours, text", 1, 2.2),
    ("267000", "client", ("SQL, recordset", "SQL, recordset_bare", "SQL, elements_bare"), "ours, text", 2, 2.8),
    ("267000", "client", ("copy, node", "copy_rows, python"), "ours, text", 1, 1.6),
    ("267000", "client", ("copy, node", "copy_rows, python"), "ours, text", 2, 2.2),
    ("267000", "client", ("worker_threads, node",), "ours, text", 1, 4.0),
    ("267000", "client", ("worker_threads, node",), "ours, text", 2, 5.5),
    ("267000", "client", ("row_at_a_time, node",), "ours, text", 1, 80.0),
    ("267000", "client", ("row_at_a_time, node",), "ours, text", 2, 100.0),
    ("first", "server", ("SQL, first_best",), "ours, text", 1, 3.0),
    ("first", "server", ("SQL, first_plain",), "ours, text", 1, 5.0),
    ("reload", "server", ("SQL, upsert, unchanged",), "ours, text, unchanged", 1, 2.0),
    ("one", "client", ("SQL, one_record",), "ours, jsonb", 1, 1 / 1.1),
    ("1000", "client", ("SQL, recordset", "SQL, recordset_bare", "SQL, elements_bare", "SQL, upsert", "copy, node",
                        "copy_rows, python", "duckdb_load, python"), "ours, text", 1, 1.0),
    ("267000", "server", ("ours, text",), "ours, text", 2, 1.35),
    ("any_note", "server", ("SQL, note",), "ours, jsonb", 1, 4.0),
    ("any_reading", "server", ("SQL, reading",), "ours, jsonb", 1, 3.0),
    ("any_upsert", "server", ("SQL, upsert",), "ours, jsonb", 1, 3.0),
    ("any_one", "client", ("SQL, upsert",), "ours, jsonb", 1, 1 / 1.1),
]


def seconds(milliseconds: float) -> str:
    return f"{milliseconds:8.2f} ms" if milliseconds < 100 else f"{milliseconds / 1000:8.3f} s "


def table(measured: Measured, scenario: str) -> None:
    for side in ("server", "client", ""):
        rows = [key for key in measured.keys(scenario) if key[1] == side]
        if not rows:
            continue
        where = {"server": "the document in the server", "client": "the document at the client", "": "without a server"}
        print(f"\n{scenario}, PostgreSQL {measured.version}: {where[side]}")
        kind = "ours, text" if any(name.startswith("ours, text") for name, _, _ in rows) else "ours, jsonb"
        ours = [key for key in rows if key[0].startswith(kind) and key[2] <= 2 and side]
        for key in sorted(rows, key=lambda key: measured.median(scenario, *key)):
            name, _, sessions = key
            times = measured.times(scenario, *key)
            about = "~" if measured.any(scenario, *key, "measured_rows") else " "
            ratios = "  ".join(f"{median(times) / measured.median(scenario, *one):6.2f} x" for one in ours)
            spread = f"({seconds(min(times)).strip()} to {seconds(max(times)).strip()})" if len(times) > 1 else ""
            sessions = f"{sessions} sessions" if sessions > 1 else ""
            print(f" {about}{name:36} {sessions:11} {seconds(median(times))} {ratios:20} {spread}")


def targets(measured: Measured) -> None:
    print(f"\nWhat is to be reached, PostgreSQL {measured.version}")
    for scenario, side, others, ours, sessions, least in TARGETS:
        other = [measured.median(scenario, name, side, count) for name in others for count in (1, 2)
                 if measured.has(scenario, name, side, count) and (name, count) != (ours, sessions)
                 and (count == 1 or not name.startswith("ours"))]
        if not other or not measured.has(scenario, ours, side, sessions):
            continue
        ratio = min(other) / measured.median(scenario, ours, side, sessions)
        verdict = "reached" if ratio >= least else "missed "
        print(f"  {verdict} {ratio:7.2f} x of {least:6.2f} x   {scenario}, {side}, {sessions} session(s): {' / '.join(others)}")


def others(measured: Measured) -> None:
    for sessions in (1, 2):
        if measured.has("267000", "floor", "server", sessions):
            write = measured.more("267000", "ours, text", "server", sessions, "write_ms")
            floor = measured.median("267000", "floor", "server", sessions)
            print(f"  write phase, {sessions} session(s): {median(write) / 1000:.3f} s, {median(write) / floor:.2f} x the floor")
    rates = {name: 1000 * rows / measured.median(name, "ours, text", "server", 1)
             for name, rows in (("267000", 267_000), ("1000000", 1_000_000)) if measured.has(name, "ours, text", "server", 1)}
    if len(rates) == 2:
        print(f"  rows a second at 1,000,000: {rates['1000000']:,.0f}, {rates['1000000'] / rates['267000']:.2f} x those at 267,000")
    for kind in dict.fromkeys(name for name, _, _ in measured.keys("sessions")):
        one = measured.median("sessions", kind, "server", 1)
        several = sorted(count for name, _, count in measured.keys("sessions") if name == kind and count > 1)
        ratios = ", ".join(f"{one / measured.median('sessions', kind, 'server', count):.2f} x with {count}" for count in several)
        print(f"  sessions, {kind}: {seconds(one).strip()} in one; as fast: {ratios}")
    for one in measured.all("memory"):
        leader, document = one["leader_bytes"], one["document_bytes"]
        workers = ", ".join(f"{size / 1e6:.0f}" for size in one["worker_bytes"]) or "none"
        print(f"  memory, {one['contender']}, from the {one['side']}, {one['sessions']} session(s): leader {leader / 1e6:.0f} MB, "
              f"{leader / document:.2f} x the document; workers (MB): {workers}")
    if measured.has("decode", "SQL, select", "server", 1):
        select = measured.median("decode", "SQL, select", "server", 1)
        for form, (step, cores) in product(("text", "jsonb"), (("", "one core"), (", all cores", "all cores"))):
            wanted = (f"ours, {form}: find", f"ours, {form}: read and transform{step}")
            steps = [one for one in measured.all("decode") if one["contender"] in wanted]
            if len(steps) < len(wanted):
                continue
            took = sum(one["milliseconds"] for one in steps)
            rate = 1 / sum(1 / one["megabytes_per_second"] for one in steps)
            print(f"  decode and transform, {form}, {cores}: {took:.0f} ms, {rate:.0f} MB/s, {select / took:.2f} x as fast as the SELECT part")


def main(path: str) -> None:
    with open(path, encoding="utf-8") as file:
        content = json.load(file)
    for major in sorted(content["servers"], key=int, reverse=True):
        measured = Measured(content, int(major))
        for scenario in measured.scenarios():
            table(measured, scenario)
        targets(measured)
        others(measured)


main(sys.argv[1])
