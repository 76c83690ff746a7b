"""npy_gemm against NumPy, on good files and on bad ones.

    python scripts/npy_test.py NPY_GEMM DIGITS_FOLDER

Good files: the digits data and a random 777 x 555 x 333 product, every storage order and both types, must be within
(k + 4) * eps * sum|a||b| of an exact reference. Bad files: exit code 2, one sentence that names the file, no output file.
"""

import io
import itertools
import pathlib
import struct
import subprocess
import sys
import tempfile

import numpy as np

PROGRAM, DIGITS = sys.argv[1], pathlib.Path(sys.argv[2])
count = 0


def run(*arguments):
    return subprocess.run([PROGRAM, *map(str, arguments)], capture_output=True, text=True, timeout=120)


# ---- good files ----

def check_product(folder, a, b, flags=(), name="", exact=None):
    """a and b as NumPy should multiply them; they are stored so that `flags` bring them back."""
    global count
    stored_a = a.T if "--trans-a" in flags else a
    stored_b = b.T if "--trans-b" in flags else b
    for order_a, order_b in itertools.product("CF", repeat=2):
        np.save(folder / "a.npy", np.array(stored_a, order=order_a))
        np.save(folder / "b.npy", np.array(stored_b, order=order_b))
        output = folder / "c.npy"
        output.unlink(missing_ok=True)
        result = run(folder / "a.npy", folder / "b.npy", "-o", output, *flags)
        label = f"{name} {a.dtype} {order_a}{order_b} {' '.join(flags)}"
        assert result.returncode == 0, f"{label}: exit code {result.returncode}: {result.stderr}"
        c = np.load(output)
        assert c.dtype == a.dtype and c.shape == (a.shape[0], b.shape[1]), f"{label}: {c.dtype} {c.shape}"
        assert c.flags.c_contiguous, f"{label}: not in C order"
        k = a.shape[1]
        wide = np.longdouble if exact is None else np.float64
        reference = a.astype(wide) @ b.astype(wide) if exact is None else exact
        bound = (k + 4) * np.finfo(a.dtype).eps * (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
        for other in (reference, a @ b):
            error = np.abs(c.astype(wide) - other)
            assert (error <= bound).all(), f"{label}: error {error.max()} beyond {bound[error > bound][0]}"
        count += 1


def good_files(folder):
    random = np.random.default_rng(20)
    wide_a, wide_b = random.standard_normal((777, 333)), random.standard_normal((333, 555))
    digits = np.load(DIGITS / "digits_f8.npy")
    for dtype in ("<f4", "<f8"):
        a, b = wide_a.astype(dtype), wide_b.astype(dtype)
        # 80-bit products of this size are slow: one reference for all orders of a type.
        exact = (a.astype(np.longdouble) @ b.astype(np.longdouble)).astype(np.float64)
        check_product(folder, a, b, name="777x555x333", exact=exact)
        check_product(folder, a, b, ("--trans-a", "--trans-b"), name="777x555x333", exact=exact)
        check_product(folder, a, b, ("--workers", "1"), name="777x555x333", exact=exact)
        images = digits.astype(dtype)
        gram = (digits.astype(np.int64).T @ digits.astype(np.int64)).astype(np.float64)
        check_product(folder, images.T, images, name="digits Gram", exact=gram)
        check_product(folder, images.T, images, ("--trans-a",), name="digits Gram", exact=gram)
        check_product(folder, images.T, images, ("--trans-b",), name="digits Gram", exact=gram)
        for m, n, k in ((1, 1, 1), (1, 9, 5), (9, 1, 5), (3, 4, 0), (0, 4, 3), (4, 0, 3), (0, 0, 0)):
            small_a, small_b = random.standard_normal((m, k)).astype(dtype), random.standard_normal((k, n)).astype(dtype)
            check_product(folder, small_a, small_b, name=f"{m}x{n}x{k}")


def other_versions(folder):
    """Versions 2.0 and 3.0 of the format, keys in another order, double quotes, no blank anywhere."""
    global count
    a = np.arange(6, dtype="<f8").reshape(2, 3)
    b = np.arange(12, dtype="<f8").reshape(3, 4)
    np.save(folder / "b.npy", b)
    headers = (
        "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n",
        "{'shape':(2,3),'fortran_order':False,'descr':'<f8'}",
        '{"descr": "<f8", "fortran_order": False, "shape": (2, 3,)}   \n',
    )
    for version, header in itertools.product((1, 2, 3), headers):
        (folder / "a.npy").write_bytes(npy(header, a.tobytes(), version))
        result = run(folder / "a.npy", folder / "b.npy", "-o", folder / "c.npy")
        assert result.returncode == 0, f"version {version}, {header!r}: {result.stderr}"
        assert np.array_equal(np.load(folder / "c.npy"), a @ b)
        count += 1


# ---- bad files ----

def npy(header, data, version=1, minor=0, length=None, magic=b"\x93NUMPY"):
    """A file with exactly this header text; `length` is what it claims for the header's length."""
    text = header.encode("latin-1")
    size = len(text) if length is None else length
    return magic + bytes([version, minor]) + struct.pack("<H" if version == 1 else "<I", size) + text + data


GOOD = "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n"
DATA = bytes(48)

BAD = {
    "an empty file": b"",
    "half a magic": b"\x93NUM",
    "a wrong magic": npy(GOOD, DATA, magic=b"\x93NUMPZ"),
    "a text file": b"1.0 2.0 3.0\n4.0 5.0 6.0\n",
    "no version": b"\x93NUMPY",
    "version 0.0": npy(GOOD, DATA, version=0),
    "version 1.1": npy(GOOD, DATA, minor=1),
    "version 4.0": npy(GOOD, DATA, version=4),
    "version 255.255": npy(GOOD, DATA, version=255, minor=255),
    "half a header length": b"\x93NUMPY\x02\x00\x40\x00",
    "a header length past the end": npy(GOOD, DATA, length=60000),
    "a header length past the end, version 2": npy(GOOD, DATA, version=2, length=600000),
    "a header length of 4 GiB": npy(GOOD, DATA, version=2, length=0xFFFFFFFF),
    "a header length too short": npy(GOOD, DATA, length=20),
    "a header length that reaches into the numbers": npy(GOOD, DATA, length=len(GOOD) + 8),
    "a header length of 0": npy(GOOD, DATA, length=0),
    "no dictionary": npy("[1, 2]", DATA),
    "an empty dictionary": npy("{}", DATA),
    "an unclosed dictionary": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), ", DATA),
    "blanks only": npy("      \n", DATA),
    "zero bytes": npy("\0\0\0\0", DATA),
    "a zero byte inside": npy(GOOD.replace("'shape'", "'sha\0pe'"), DATA),
    "text after the dictionary": npy(GOOD.strip() + " x\n", DATA),
    "no descr": npy("{'fortran_order': False, 'shape': (2, 3), }", DATA),
    "no fortran_order": npy("{'descr': '<f8', 'shape': (2, 3), }", DATA),
    "no shape": npy("{'descr': '<f8', 'fortran_order': False, }", DATA),
    "descr twice": npy("{'descr': '<f8', 'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }", DATA),
    "fortran_order twice": npy("{'descr': '<f8', 'fortran_order': True, 'fortran_order': False, 'shape': (2, 3), }", DATA),
    "shape twice": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), 'shape': (2, 3), }", DATA),
    "an unknown key": npy("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), 'colour': 1, }", DATA),
    "a line break in a key": npy("{'descr': '<f8', 'two\nlines \x1b[31m': 1, }", DATA),
    "a line break in a type": npy(GOOD.replace("<f8", "<f8\n\n"), DATA),
    "no comma": npy("{'descr': '<f8' 'fortran_order': False, 'shape': (2, 3), }", DATA),
    "no colon": npy("{'descr' '<f8', 'fortran_order': False, 'shape': (2, 3), }", DATA),
    "an unclosed string": npy("{'descr': '<f8, }", DATA),
    "an endless string": npy("{'descr': '" + "<" * 5000 + "', }", DATA),
    "an escape in a string": npy("{'descr': '\\x3cf8', 'fortran_order': False, 'shape': (2, 3), }", DATA),
    "fortran_order 0": npy(GOOD.replace("False", "0"), DATA),
    "fortran_order None": npy(GOOD.replace("False", "None"), DATA),
    "the type <i8": npy(GOOD.replace("<f8", "<i8"), DATA),
    "the type <f2": npy(GOOD.replace("<f8", "<f2"), DATA),
    "the type <c16": npy(GOOD.replace("<f8", "<c16"), DATA),
    "the type =f8": npy(GOOD.replace("<f8", "=f8"), DATA),
    "the type |O": npy(GOOD.replace("<f8", "|O"), DATA),
    "an empty type": npy(GOOD.replace("<f8", ""), DATA),
    "a record type": npy("{'descr': [('x', '<f8')], 'fortran_order': False, 'shape': (2, 3), }", DATA),
    "big-endian f8": npy(GOOD.replace("<f8", ">f8"), DATA),
    "big-endian f4": npy(GOOD.replace("<f8", ">f4"), DATA[:24]),
    "0 dimensions": npy(GOOD.replace("(2, 3)", "()"), DATA[:8]),
    "1 dimension": npy(GOOD.replace("(2, 3)", "(6,)"), DATA),
    "3 dimensions": npy(GOOD.replace("(2, 3)", "(1, 2, 3)"), DATA),
    "33 dimensions": npy(GOOD.replace("(2, 3)", "(" + "1, " * 33 + ")"), DATA[:8]),
    "a number for a shape": npy(GOOD.replace("(2, 3)", "6"), DATA),
    "a number in parentheses for a shape": npy(GOOD.replace("(2, 3)", "(6)"), DATA),
    "a list for a shape": npy(GOOD.replace("(2, 3)", "[2, 3]"), DATA),
    "a negative shape": npy(GOOD.replace("(2, 3)", "(-2, -3)"), DATA),
    "a fractional shape": npy(GOOD.replace("(2, 3)", "(2.0, 3)"), DATA),
    "an unclosed shape": npy(GOOD.replace("(2, 3)", "(2, 3"), DATA),
    "a shape with two commas": npy(GOOD.replace("(2, 3)", "(2,, 3)"), DATA),
    "a shape past 64 bits": npy(GOOD.replace("(2, 3)", "(99999999999999999999999, 3)"), DATA),
    "a shape whose product overflows": npy(GOOD.replace("(2, 3)", "(4294967296, 4294967296)"), DATA),
    "a shape whose bytes overflow": npy(GOOD.replace("(2, 3)", "(2305843009213693952, 1)"), DATA),
    "a shape of 1 EiB": npy(GOOD.replace("(2, 3)", "(1073741824, 134217728)"), DATA),
    "a byte too few": npy(GOOD, DATA[:-1]),
    "no numbers at all": npy(GOOD, b""),
    "a byte too many": npy(GOOD, DATA + b"\0"),
    "a shape larger than the file": npy(GOOD.replace("(2, 3)", "(2, 4)"), DATA),
    "a shape smaller than the file": npy(GOOD.replace("(2, 3)", "(2, 2)"), DATA),
    "zero rows with numbers": npy(GOOD.replace("(2, 3)", "(0, 3)"), DATA),
}


def refuse(what, arguments, output, *must_name):
    global count
    before = output.read_bytes() if output.is_file() else None
    siblings = set(output.parent.iterdir()) if output.parent.is_dir() else set()
    result = run(*arguments, "-o", output)
    assert result.returncode == 2, f"{what}: exit code {result.returncode}, stderr {result.stderr!r}"
    assert all(character >= " " for character in result.stderr[:-1]), f"{what}: control characters: {result.stderr!r}"
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, f"{what}: {len(lines)} lines on stderr: {result.stderr!r}"
    for name in must_name:
        assert str(name) in lines[0], f"{what}: {lines[0]!r} does not name {name}"
    after = output.read_bytes() if output.is_file() else None
    assert after == before, f"{what}: the output file was touched"
    left = (set(output.parent.iterdir()) if output.parent.is_dir() else set()) - siblings
    assert not left, f"{what}: left {left} behind"
    if "-v" in sys.argv:
        print(f"  {what}: {lines[0]}")
    count += 1


def bad_files(folder):
    good, bad, output = folder / "good.npy", folder / "bad.npy", folder / "out.npy"
    output.unlink(missing_ok=True)
    good.write_bytes(npy(GOOD, DATA))
    # 2 x 3 as the right operand of a 2 x 3 needs --trans-b.
    assert run(good, good, "-o", folder / "fine.npy", "--trans-b").returncode == 0
    for what, content in BAD.items():
        bad.write_bytes(content)
        refuse(what + ", as A", (bad, good, "--trans-b"), output, bad)
        refuse(what + ", as B", (good, bad, "--trans-b"), output, bad)
    whole = io.BytesIO()
    np.save(whole, np.ones((2, 3)))
    for size in range(len(whole.getvalue())):
        bad.write_bytes(whole.getvalue()[:size])
        refuse(f"the first {size} bytes of a file", (bad, good, "--trans-b"), output, bad)


def bad_pairs_and_paths(folder):
    global count
    good, single, output = folder / "good.npy", folder / "single.npy", folder / "out.npy"
    good.write_bytes(npy(GOOD, DATA))
    np.save(single, np.ones((2, 3), dtype="<f4"))
    refuse("two types", (good, single, "--trans-b"), output, good, single)
    refuse("inner dimensions that differ", (good, good), output, good)
    refuse("a missing file", (folder / "nothing.npy", good), output, folder / "nothing.npy")
    refuse("a folder as input", (folder, good), output, folder)
    refuse("an output folder that is not there", (good, good, "--trans-b"), folder / "no" / "out.npy", "out.npy")
    refuse("a folder as output", (good, good, "--trans-b"), folder, folder)
    output.write_bytes(b"what was here before")
    bad = folder / "bad.npy"
    bad.write_bytes(BAD["a byte too few"])
    refuse("a bad file, with an output file from before", (bad, good, "--trans-b"), output, bad)
    output.unlink()
    # A full device. A device cannot be removed or replaced, so only the exit code and the sentence are checked.
    if pathlib.Path("/dev/full").exists():
        result = run(good, good, "--trans-b", "-o", "/dev/full")
        assert result.returncode == 2 and "/dev/full" in result.stderr, result
        count += 1
    for arguments in ((), (good,), (good, good), (good, good, good, "-o", output), (good, good, "-o"),
                      (good, good, "-o", output, "--workers", "0"), (good, good, "-o", output, "--workers", "x"),
                      (good, good, "-o", output, "--nonsense")):
        result = run(*arguments)
        assert result.returncode == 2 and result.stderr and not output.exists(), (arguments, result)
        count += 1


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        for part in (good_files, other_versions, bad_files, bad_pairs_and_paths):
            before = count
            part(folder)
            print(f"{part.__name__}: {count - before} checks")
    print(f"{count} checks passed")


if __name__ == "__main__":
    main()
