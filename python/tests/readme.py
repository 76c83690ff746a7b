"""Runs the programs in README.md, one after the other, and compares what they print with the lines that follow them.

A program is a ``python`` block; a ``text`` block right after it is its output. ``...`` stands for any text.
"""

import contextlib
import importlib.util
import io
import pathlib
import re
import sys

BLOCK = re.compile(r"```python\n(.*?)```\n(?:\n*```text\n(.*?)```)?", re.S)


def main(path):
    count = 0
    for program, expected in BLOCK.findall(pathlib.Path(path).read_text(encoding="utf-8")):
        needed = set(re.findall(r"^\s*(?:import|from) (numpy|numba|torch)\b", program, re.M))
        missing = [name for name in needed if importlib.util.find_spec(name) is None]
        if missing:
            print(f"left out, without {', '.join(missing)}: {program.splitlines()[0]}")
            continue
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(program, path, "exec"), {"__name__": "__main__"})
        pattern = ".*".join(re.escape(part) for part in expected.strip().split("..."))
        if not re.fullmatch(pattern, out.getvalue().strip(), re.S):
            raise SystemExit(f"{path}: this program\n\n{program}\nshould print\n\n{expected}\nand prints\n\n{out.getvalue()}")
        count += 1
    if not count:
        raise SystemExit(f"{path}: there is no program in it")
    print(f"{count} programs of {pathlib.Path(path).name} do what it says")


if __name__ == "__main__":
    main(sys.argv[1])
