"""Draws the chart of README.md from measurements alone: chart.py RESULT CHART.svg.

A panel for each side and server version at 267,000 works, a bar for each contender's median. The axis is logarithmic:
one row at a time takes a hundred times as long as the rest.
"""

import json
import math
import sys
from xml.sax.saxutils import escape

from measured import Measured

SCENARIO = "267000"
WIDTH, LEFT, RIGHT, ROW, TOP = 960, 330, 150, 22, 64
NAMES = {
    "ours, text": "pg_opus",
    "ours, jsonb": "pg_opus, jsonb",
    "SQL, recordset": "INSERT … jsonb_to_recordset, same rows",
    "SQL, recordset_bare": "INSERT … jsonb_to_recordset",
    "SQL, elements_bare": "INSERT … jsonb_array_elements",
    "SQL, upsert": "INSERT … ON CONFLICT DO UPDATE",
    "copy, node": "Node.js, COPY",
    "copy_rows, python": "Python, COPY",
    "duckdb_load, python": "DuckDB, postgres extension",
    "worker_threads, node": "Node.js worker_threads, Drizzle",
    "row_at_a_time, node": "Node.js, Drizzle, row by row*",
    "floor": "floor: ready rows, no foreign key",
}
SIDES = {"server": "the document lies in the server", "client": "the client sends the document"}
COLOURS = {"ours": "#2f6f9f", "floor": "#c9c9c9", "other": "#9db4c0"}


def label(name: str, sessions: int) -> str:
    several = {"ours": "sessions", "floo": "sessions", "work": "threads"}.get(name[:4], "connections")
    return NAMES[name] + (f", {sessions} {several}" if sessions > 1 else "")


def seconds(milliseconds: float) -> str:
    took = milliseconds / 1000
    return f"{took:.2f} s" if took < 10 else f"{took:.0f} s"


class Panel:
    def __init__(self, measured: Measured, side: str):
        keys = [key for key in measured.keys(SCENARIO) if key[1] == side]
        self.bars = sorted((measured.median(SCENARIO, *key), key) for key in keys)
        self.ours = measured.median(SCENARIO, "ours, text", side, 1)
        self.title = f"PostgreSQL {measured.version}: {SIDES[side]}"
        self.height = ROW * len(self.bars) + 40

    def draw(self, top: int, scale) -> list[str]:
        lines = [f'<text x="16" y="{top + 16}" class="title">{escape(self.title)}</text>']
        for place, (took, (name, _, sessions)) in enumerate(self.bars):
            y = top + 28 + place * ROW
            colour = COLOURS.get(name.split(",")[0], COLOURS["other"])
            kind = "ours" if name.startswith("ours") else "name"
            width = max(scale(took) - LEFT, 1)
            lines += [
                f'<text x="{LEFT - 8}" y="{y + 15}" class="{kind}" text-anchor="end">{escape(label(name, sessions))}</text>',
                f'<rect x="{LEFT}" y="{y + 3}" width="{width:.1f}" height="{ROW - 6}" rx="2" fill="{colour}"/>',
                f'<text x="{LEFT + width + 6:.1f}" y="{y + 15}" class="{kind}">{seconds(took)} · {took / self.ours:.2f} ×</text>',
            ]
        return lines


def main(result: str, chart: str) -> None:
    with open(result, encoding="utf-8") as file:
        content = json.load(file)
    measured = [Measured(content, major) for major in sorted(map(int, content["servers"]), reverse=True)]
    measured = [one for one in measured if one.has(SCENARIO, "ours, text", "server", 1)]
    if not measured:
        return
    panels = [Panel(one, side) for one in measured for side in SIDES]
    times = [took for panel in panels for took, _ in panel.bars]
    low, high = math.log10(min(times) / 2), math.log10(max(times))

    def scale(took: float) -> float:
        return LEFT + (math.log10(took) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    body, top = [], TOP
    for panel in panels:
        body += panel.draw(top, scale)
        top += panel.height
    machine, versions = content["machine"], content["versions"]
    settings = next(iter(content["servers"].values()))["settings"]
    named = ("shared_buffers", "max_wal_size", "autovacuum", "max_prepared_transactions")
    notes = [
        "Medians; bars on a logarithmic scale; × is the time beside pg_opus in one session on the same side. "
        "Tables with all keys, indexes and the foreign key, committed.",
        "* 10,000 rows, the others reckoned.",
        f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB, Linux {machine['kernel']}; "
        f"Node.js {versions['node'].lstrip('v')}, drizzle-orm {versions['drizzle-orm']}, postgres.js {versions['postgres']}, "
        f"Python {versions['python']}, DuckDB {versions['duckdb']}",
        "; ".join(f"{name} = {settings[name]}" for name in named if name in settings)
        + f"; pg_opus {versions['pg_opus']}, {content['date']}",
    ]
    body += [f'<text x="16" y="{top + 14 + 16 * i}" class="note">{escape(note)}</text>' for i, note in enumerate(notes)]
    height = top + 16 * len(notes) + 16
    head = f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">
<style>
text {{ font: 13px -apple-system, "Segoe UI", Helvetica, Arial, sans-serif; fill: #24292f }}
.head {{ font-size: 18px; font-weight: 600 }} .title {{ font-size: 14px; font-weight: 600 }}
.ours {{ font-weight: 600; fill: #1f4e70 }} .note {{ font-size: 11px; fill: #57606a }}
</style>
<rect width="{WIDTH}" height="{height}" rx="6" fill="#ffffff"/>
<text x="16" y="34" class="head">267,000 works (106 MB of JSON) into PostgreSQL</text>"""
    with open(chart, "w", encoding="utf-8") as file:
        file.write("\n".join([head, *body, "</svg>", ""]))


main(sys.argv[1], sys.argv[2])
