"""Draws the chart of README.md from measurements alone: chart.py RESULT CHART.svg.

One panel, of the newest server that was measured: a bar for each contender's median at 267,000 works, with the sessions
or connections with which it is fastest; ours in the caller's session, as it is by default. The scale is linear. A bar
that would leave no room for the others is cut, and shows that it is.
"""

import json
import sys
from xml.sax.saxutils import escape

from measured import Measured

SCENARIO = "267000"
WIDTH, LEFT, RIGHT, ROW, TOP = 960, 330, 130, 22, 52
# A bar of more than so many times ours is cut.
LONGEST = 10
NAMES = {
    "ours, text": "pg_opus",
    "ours, jsonb": "pg_opus, jsonb",
    "SQL, recordset": "INSERT … jsonb_to_recordset, same rows",
    "SQL, recordset_bare": "INSERT … jsonb_to_recordset",
    "SQL, elements_bare": "INSERT … jsonb_array_elements",
    "SQL, upsert": "INSERT … ON CONFLICT DO UPDATE",
    "COPY, binary": "COPY of the finished rows, a binary file*",
    "copy, node": "Node.js, COPY",
    "copy_rows, python": "Python, COPY",
    "duckdb_load, python": "DuckDB, postgres extension",
    "worker_threads, node": "Node.js worker_threads, Drizzle",
    "row_at_a_time, node": "Node.js, Drizzle, row by row**",
    "floor": "finished rows, no foreign key*",
}
SIDES = {"server": "The document lies in the server", "client": "The client sends the document"}
COLOURS = {"ours": "#2f6f9f", "floor": "#c9c9c9", "COPY": "#c9c9c9", "other": "#9db4c0"}


def label(name: str, sessions: int) -> str:
    several = {"ours": "sessions", "floo": "sessions", "work": "threads"}.get(name[:4], "connections")
    return NAMES[name] + (f", {sessions} {several}" if sessions > 1 else "")


def seconds(milliseconds: float) -> str:
    took = milliseconds / 1000
    return f"{took:.2f} s" if took < 10 else f"{took:.0f} s"


class Group:
    """The contenders of one side, the fastest first."""

    def __init__(self, measured: Measured, side: str):
        fastest = {}
        for key in (key for key in measured.keys(SCENARIO) if key[1] == side):
            name, _, sessions = key
            took = measured.median(SCENARIO, *key)
            if name.startswith("ours") and sessions > 1:
                continue
            if name not in fastest or took < fastest[name][0]:
                fastest[name] = (took, key)
        self.bars = sorted(fastest.values())
        self.ours = measured.median(SCENARIO, "ours, text", side, 1)
        self.title = SIDES[side]
        self.height = ROW * len(self.bars) + 40

    def draw(self, top: int, limit: float) -> list[str]:
        lines = [f'<text x="16" y="{top + 16}" class="title">{escape(self.title)}</text>']
        for place, (took, (name, _, sessions)) in enumerate(self.bars):
            y = top + 28 + place * ROW
            colour = COLOURS.get(name.split(",")[0], COLOURS["other"])
            kind = "ours" if name.startswith("ours") else "name"
            width = min(took / limit, 1) * (WIDTH - LEFT - RIGHT)
            lines += [
                f'<text x="{LEFT - 8}" y="{y + 15}" class="{kind}" text-anchor="end">{escape(label(name, sessions))}</text>',
                f'<rect x="{LEFT}" y="{y + 3}" width="{max(width, 1):.1f}" height="{ROW - 6}" rx="2" fill="{colour}"/>',
            ]
            if took > limit:
                lines.append(cut(LEFT + width - 36, y))
            lines.append(f'<text x="{LEFT + width + 6:.1f}" y="{y + 15}" class="{kind}">{seconds(took)} · {self.times(took)} ×</text>')
        return lines

    def times(self, took: float) -> str:
        ratio = took / self.ours
        return f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


def cut(x: float, y: int) -> str:
    """Two slanted strokes through a bar that goes on far beyond the panel."""
    return "".join(
        f'<path d="M{x + dx:.1f} {y + ROW - 1} l8 -{ROW - 2}" stroke="#ffffff" stroke-width="4"/>' for dx in (0, 9))


def main(result: str, chart: str) -> None:
    with open(result, encoding="utf-8") as file:
        content = json.load(file)
    measured = [Measured(content, major) for major in sorted(map(int, content["servers"]), reverse=True)]
    measured = [one for one in measured if one.has(SCENARIO, "ours, text", "server", 1)]
    if not measured:
        return
    newest = measured[0]
    groups = [Group(newest, side) for side in SIDES]
    most = LONGEST * max(group.ours for group in groups)
    limit = max(took for group in groups for took, _ in group.bars if took <= most)
    body, top = [], TOP
    for group in groups:
        body += group.draw(top, limit)
        top += group.height
    machine, versions = content["machine"], content["versions"]
    settings = content["servers"][str(newest.major)]["settings"]
    named = ("shared_buffers", "max_wal_size", "autovacuum", "max_prepared_transactions")
    notes = [
        "Medians, linear scale; a bar with two strokes is cut. × is the time beside pg_opus in the caller’s session on the same side. "
        "Others with the",
        "connections with which they are fastest. Tables with all keys, indexes and the foreign key, committed.",
        "* The rows lie ready in the order in which pg_opus writes them: nothing is parsed.   ** 10,000 rows, the others reckoned.",
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
<text x="16" y="34" class="head">267,000 works (106 MB of JSON) into PostgreSQL {newest.version}</text>"""
    with open(chart, "w", encoding="utf-8") as file:
        file.write("\n".join([head, *body, "</svg>", ""]))


main(sys.argv[1], sys.argv[2])
