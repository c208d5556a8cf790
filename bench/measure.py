"""Runs the benchmark's scenarios on one server: measure.py ROUNDS SCENARIO,...

The clients' environment leads to the server; bench/run sets it, and where the documents are. Each measurement is a
dictionary in the list `measurements` of $RESULT, with its scenario, contender, side, round and milliseconds: `server`,
the document lies in the server; `client`, the client holds its text. Contenders take turns, so that a slow minute of the
machine meets all of them, and another one begins in each round.
"""

import datetime
import json
import os
import platform
import subprocess
import sys
import traceback

import psycopg
from scenarios import SCENARIOS

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()


def machine() -> dict:
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":")[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) // 1024**2
    return {"processor": names[0], "cores": len(names), "memory_gib": memory, "kernel": platform.release()}


def versions() -> dict:
    lock = json.load(open(f"{ROOT}/bench/contenders/node/package-lock.json", encoding="utf-8"))["packages"]
    with open(f"{ROOT}/bench/contenders/python/requirements.txt", encoding="utf-8") as file:
        python = dict(line.strip().split("==") for line in file if "==" in line)
    return {
        "pg_opus": output("git", "describe", "--always", "--dirty"),
        "node": output("node", "--version"),
        "python": platform.python_version(),
        **{name: lock[f"node_modules/{name}"]["version"] for name in ("drizzle-orm", "postgres")},
        **python,
    }


def settings(server: psycopg.Connection) -> dict:
    chosen = "SELECT name, current_setting(name) FROM pg_settings WHERE source = 'configuration file'"
    return {name: value for name, value in server.execute(chosen) if not name.startswith(("unix_", "listen", "port"))}


class Result:
    """The file of measurements, written after each one."""

    def __init__(self, path: str, server: psycopg.Connection, names: list[str]):
        self.path = path
        self.major = server.info.server_version // 10000
        os.makedirs(os.path.dirname(path), exist_ok=True)
        try:
            with open(path, encoding="utf-8") as file:
                self.content = json.load(file)
        except FileNotFoundError:
            self.content = {"servers": {}, "measurements": []}
        again = lambda one: one["major"] == self.major and one["scenario"] in names
        self.content["measurements"] = [one for one in self.content["measurements"] if not again(one)]
        version = server.execute("SHOW server_version").fetchone()[0].split()[0]
        self.content["servers"][str(self.major)] = {"version": version, "settings": settings(server)}
        self.content |= {"machine": machine(), "versions": versions(), "date": datetime.date.today().isoformat()}

    def add(self, scenario: str, contender: str, milliseconds: float, **more) -> None:
        one = {"major": self.major, "scenario": scenario, "contender": contender, "milliseconds": round(milliseconds, 3)}
        self.content["measurements"].append(one | more)
        print(f"  {self.major} {scenario:8} {contender:28} {more.get('side', ''):7} {milliseconds:12.2f} ms", flush=True)
        with open(f"{self.path}.new", "w", encoding="utf-8") as file:
            json.dump(self.content, file, indent=1)
        os.replace(f"{self.path}.new", self.path)


def main(rounds: int, names: list[str]) -> None:
    failed = []
    server = psycopg.connect(autocommit=True)
    result = Result(os.environ["RESULT"], server, names)
    for name in names:
        try:
            SCENARIOS[name](result, rounds)
        except Exception:  # pylint: disable=broad-except
            # The other scenarios are still of use.
            traceback.print_exc()
            failed.append(name)
    if failed:
        sys.exit(f"these scenarios failed: {', '.join(failed)}")


main(int(sys.argv[1]), sys.argv[2].split(","))
