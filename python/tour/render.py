"""Runs tour.py cell by cell and writes docs/python.md, with what each cell printed, and docs/python.svg, the plot.

    python python/tour/render.py DOCS_FOLDER

It needs vgpu_runtime, NumPy, Numba and Matplotlib, and wants a quiet machine, since the page has figures.
"""

import contextlib
import io
import pathlib
import re
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "vgpu_runtime"
import matplotlib.pyplot as plt  # noqa: E402  # after the choice of the backend

SOURCE = pathlib.Path(__file__).parent / "tour.py"


def main(folder):
    page = []
    # A module of its own name, as tasks' functions expect.
    names = {"__name__": "__main__"}
    for head, body in re.findall(r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)", SOURCE.read_text(encoding="utf-8"), re.S | re.M):
        if head:
            page.append(re.sub(r"^# ?", "", body.strip(), flags=re.M))
            continue
        page.append(f"```python\n{body.strip()}\n```")
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(body, str(SOURCE), "exec"), names)
        if out.getvalue():
            page.append(f"```text\n{out.getvalue().rstrip()}\n```")
        if plt.get_fignums():
            plt.savefig(folder / "python.svg", metadata={"Date": None})
            plt.close("all")
            page.append("![The Mandelbrot set; speed-ups by workers; round trips](python.svg)")
    (folder / "python.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
