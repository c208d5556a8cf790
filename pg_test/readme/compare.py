"""Runs the examples and commands of the documents: compare.py FILE...

Of each file, on a new database of its own, in one psql session: every block of sql, whose output must be the block of text
below it. Every line of a block of sh is run by bash in the repository's root and must succeed, but for those that another
test runs: COMMANDS says which. Every link to a file of the repository must lead somewhere.

With UPDATE in the environment the texts are replaced by what psql shows; with WITHOUT_COMMANDS the blocks of sh are left out.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

MARK = "@@ end of an example @@"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# Blocks that nobody runs: a diagram or an output, data.
SHOWN = ("text", "json")
# Commands that are not run here, and the file that runs them, with the words by which it does.
COMMANDS = (
    (r"make demo", "scripts/test", '"$ROOT/scripts/demo"'),
    (r"make test", ".ci/run", "exec make test"),
    (r"make bench|bench/run .*", "scripts/test", "bench/run --majors"),
    (r"make psql", "pg_test/readme/run", '"$ROOT/scripts/server" psql'),
    (r"make stop", "pg_test/readme/run", '"$ROOT/scripts/server" stop'),
    (r"scripts/setup 18", "scripts/test", '"$ROOT/scripts/setup"'),
    (r"scripts/install 18 tests", "pg_test/sessions/run", '"$major" tests'),
    (r"cargo (fmt|clippy|test)\b.*", "scripts/test", "cargo {0}"),
    (r"pg_test/(\w+)/run 18\b.*", "scripts/test", "pg_test/{0}/run"),
    (r"examples/express/run", "pg_test/express/run", "express"),
)


def elsewhere(line: str) -> tuple[str, str] | None:
    """Of a command that another file runs: that file, and the words of it."""
    for pattern, file, words in COMMANDS:
        if found := re.fullmatch(pattern, line):
            return file, words.format(*found.groups())
    return None


class File:
    """A document, and what is wrong with it."""

    def __init__(self, path: str):
        self.path = Path(path)
        self.text = self.path.read_text(encoding="utf-8")
        self.blocks = list(BLOCK.finditer(self.text))
        self.checks = 0
        self.faults = []

    def check(self, holds: bool, fault: str) -> None:
        self.checks += 1
        if not holds:
            self.faults.append(f"{self.path}: {fault}")

    def examples(self) -> list[tuple[re.Match, re.Match]]:
        """The blocks of sql, each with the block of its output."""
        found = []
        for place, block in enumerate(self.blocks):
            language, content = block.groups()
            self.check(language in ("sql", "sh", *SHOWN), f"a block of {language or 'no language'}, which no test runs:\n{content}")
            if language == "sql":
                output = self.blocks[place + 1] if place + 1 < len(self.blocks) else None
                has_output = output is not None and output[1] == "text"
                self.check(has_output, f"an example without its output:\n{content}")
                if has_output:
                    found.append((block, output))
        return found

    def run_sql(self, database: str) -> None:
        examples = self.examples()
        if not examples:
            return
        environment = {**os.environ, "PGDATABASE": database}
        subprocess.run(["createdb", database], check=True)
        subprocess.run(["psql", "-qXc", "CREATE EXTENSION pg_opus"], env=environment, check=True)
        script = "".join(f"{sql[2]}\\echo {MARK}\n" for sql, _ in examples)
        # One stream, so that notices and errors stand where they come.
        psql = subprocess.run(["psql", "-qX"], input=script, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, check=False)
        shown = [text.strip("\n") + "\n" for text in psql.stdout.split(MARK)]
        self.check(len(shown) == len(examples) + 1, f"psql came to the end of {len(shown) - 1} examples of {len(examples)}")
        if os.environ.get("UPDATE"):
            self.update([output for _, output in examples], shown)
            return
        for (_, output), text in zip(examples, shown):
            self.check(text == output[2], f"expected:\n{output[2]}\nshown:\n{text}")

    def update(self, outputs: list[re.Match], shown: list[str]) -> None:
        # From the last to the first, so that places stay what they are.
        for output, text in reversed(list(zip(outputs, shown))):
            start, end = output.span(2)
            self.text = self.text[:start] + text + self.text[end:]
        self.path.write_text(self.text, encoding="utf-8")

    def run_commands(self) -> None:
        lines = [line for block in self.blocks if block[1] == "sh" for line in block[2].splitlines()]
        for line in filter(None, lines):
            if (where := elsewhere(line)) is not None:
                file, words = where
                content = Path(file).read_text(encoding="utf-8")
                self.check(any(word in content for word in words.split("|")), f"{file} does not run: {line}")
                continue
            line = line.replace("/path/to/pg_config", os.environ["README_PG_CONFIG"])
            done = subprocess.run(["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            self.check(done.returncode == 0, f"{line}: exits with {done.returncode}:\n{done.stdout}")

    def follow_links(self) -> None:
        for link in LINK.findall(self.text):
            if "://" in link:
                continue
            target, _, anchor = link.partition("#")
            target = self.path.parent / target if target else self.path
            self.check(target.exists(), f"there is no {link}")
            if anchor and target.is_file():
                headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
                anchors = [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
                self.check(anchor in anchors, f"{target} has no heading of {link}")


def main(paths: list[str]) -> int:
    files = [File(path) for path in paths]
    for number, file in enumerate(files):
        file.run_sql(f"document_{number}")
        if not os.environ.get("WITHOUT_COMMANDS"):
            file.run_commands()
        file.follow_links()
    faults = [fault for file in files for fault in file.faults]
    for fault in faults:
        print(fault)
    checks = sum(file.checks for file in files)
    print(f"{checks - len(faults)} passed, {len(faults)} failed")
    return 1 if faults or not checks else 0


sys.exit(main(sys.argv[1:]))
