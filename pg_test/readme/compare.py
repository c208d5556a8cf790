"""Runs README.md's SQL examples in one psql session and compares their output with the text below each."""

import os
import re
import subprocess
import sys

MARK = "@@ end of an example @@"
EXAMPLE = re.compile(r"```sql\n(.*?)```\n\n```text\n(.*?)```", re.DOTALL)


def main(path: str) -> int:
    with open(path, encoding="utf-8") as file:
        readme = file.read()
    examples = EXAMPLE.findall(readme)
    if len(examples) < 3:
        print(f"{path}: three examples expected, {len(examples)} found")
        return 1
    script = "".join(f"{sql}\\echo {MARK}\n" for sql, _ in examples)
    # One stream, so that notices and errors stand where they come.
    psql = subprocess.run(
        ["psql", "-qX", "--no-psqlrc"], input=script, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    shown = [text.lstrip("\n") for text in psql.stdout.split(MARK)]
    failed = 0
    for (_, expected), actual in zip(examples, shown):
        actual = actual.rstrip() + "\n"
        if actual == expected:
            continue
        if os.environ.get("UPDATE"):
            readme = readme.replace(f"```text\n{expected}```", f"```text\n{actual}```", 1)
            continue
        failed += 1
        print(f"not as in {path}; expected:\n{expected}\nshown:\n{actual}")
    if os.environ.get("UPDATE"):
        with open(path, "w", encoding="utf-8") as file:
            file.write(readme)
    print(f"{len(examples) - failed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main(sys.argv[1]))
