"""Builds the wheel and the source distribution of vgpu_runtime (PEP 517), with the standard library alone.

The wheel holds the Python sources and the native library, which ``make lib`` builds or ``VGPU_POOL_LIBRARY`` names. Its tag says
which systems can load it: ``py3-none`` since no Python is compiled against, ``manylinux_2_N`` since the library needs
glibc 2.N, which is read from the library. The source distribution holds the crate too, in ``native/``.

    python build_backend.py wheel FOLDER      python build_backend.py sdist FOLDER
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import pathlib
import platform
import re
import subprocess
import sys
import tarfile
import time
import zipfile
from typing import Any, Dict, Iterator, List, Optional, Tuple

HERE = pathlib.Path(__file__).resolve().parent
CRATE = HERE / "native" if (HERE / "native").exists() else HERE.parent
#: What the library is built from.
CRATE_FILES = ("Cargo.toml", "Cargo.lock", "Makefile", "README.md", "LICENSE-MIT", "LICENSE-APACHE", "abi", "include", "src")
#: What a source distribution takes from here.
PACKAGE_FILES = ("pyproject.toml", "build_backend.py", "README.md", "src", "tests")
#: Archives are the same to the byte for the same sources.
TIME = int(os.environ.get("SOURCE_DATE_EPOCH", "1577836800"))
VERSION = re.search(r'^version = "(.+)"', (CRATE / "Cargo.toml").read_text(), re.M)[1]  # type: ignore[index]
NAME = f"vgpu_runtime-{VERSION}"


def metadata() -> str:
    lines = [
        "Metadata-Version: 2.1",
        "Name: vgpu_runtime",
        f"Version: {VERSION}",
        "Summary: A work-stealing thread pool, parallel loops and matrix products",
        "License: MIT OR Apache-2.0",
        "Requires-Python: >=3.9",
        "Classifier: Operating System :: POSIX :: Linux",
        "Classifier: Typing :: Typed",
        "Description-Content-Type: text/markdown",
        "",
        (HERE / "README.md").read_text(encoding="utf-8"),
    ]
    return "\n".join(lines)


def library() -> pathlib.Path:
    """The native library, built if need be."""
    path = os.environ.get("VGPU_POOL_LIBRARY")
    if path:
        return pathlib.Path(path)
    target = (CRATE / os.environ.get("CARGO_TARGET_DIR", "target")).resolve()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    subprocess.run(["make", "--no-print-directory", "lib"], cwd=CRATE, env=environment, check=True, stdout=sys.stderr)
    return target / "lib" / "libvgpu_pool.so.1"


def platform_tag(content: bytes) -> str:
    """The oldest glibc that the library can be loaded with, as a tag."""
    versions = [int(minor) for minor in re.findall(rb"\0GLIBC_2\.(\d+)", content)]
    if not versions:
        raise SystemExit("the library names no version of glibc: only glibc is supported")
    return f"manylinux_2_{max(max(versions), 17)}_{platform.machine()}"


def files_below(folder: pathlib.Path, names: Tuple[str, ...]) -> Iterator[pathlib.Path]:
    for name in names:
        path = folder / name
        for found in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if found.is_file() and "__pycache__" not in found.parts:
                yield found


def build_wheel(
    wheel_directory: str, config_settings: Optional[Dict[str, Any]] = None, metadata_directory: Optional[str] = None
) -> str:
    binary = library()
    strip = os.environ.get("STRIP", "strip")
    stripped = pathlib.Path(wheel_directory) / ".libvgpu_pool.so.stripped"
    stripped.parent.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run([strip, "--strip-unneeded", "-o", str(stripped), str(binary)], check=True)
        content = stripped.read_bytes()
    finally:
        stripped.unlink(missing_ok=True)
    tag = f"py3-none-{platform_tag(content)}"
    info = f"{NAME}.dist-info"
    members: List[Tuple[str, bytes]] = [
        (str(path.relative_to(HERE / "src")), path.read_bytes()) for path in files_below(HERE, ("src",))
    ]
    members += [
        ("vgpu_runtime/lib/libvgpu_pool.so.1", content),
        (f"{info}/licenses/LICENSE-MIT", (CRATE / "LICENSE-MIT").read_bytes()),
        (f"{info}/licenses/LICENSE-APACHE", (CRATE / "LICENSE-APACHE").read_bytes()),
        (f"{info}/METADATA", metadata().encode()),
        (f"{info}/WHEEL", f"Wheel-Version: 1.0\nGenerator: vgpu_runtime\nRoot-Is-Purelib: false\nTag: {tag}\n".encode()),
    ]
    record = "".join(f"{name},sha256={digest(data)},{len(data)}\n" for name, data in members) + f"{info}/RECORD,,\n"
    members.append((f"{info}/RECORD", record.encode()))
    name = f"{NAME}-{tag}.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory) / name, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in members:
            entry = zipfile.ZipInfo(member, time.gmtime(TIME)[:6])
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if ".so." in member else 0o100644) << 16
            archive.writestr(entry, data)
    return name


def digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def build_sdist(sdist_directory: str, config_settings: Optional[Dict[str, Any]] = None) -> str:
    members = [(path.relative_to(HERE), path.read_bytes()) for path in files_below(HERE, PACKAGE_FILES)]
    members += [
        (pathlib.Path("native") / path.relative_to(CRATE), path.read_bytes()) for path in files_below(CRATE, CRATE_FILES)
    ]
    members.append((pathlib.Path("PKG-INFO"), metadata().encode()))
    name = f"{NAME}.tar.gz"
    pathlib.Path(sdist_directory).mkdir(parents=True, exist_ok=True)
    with tarfile.open(pathlib.Path(sdist_directory) / name, "w:gz", format=tarfile.PAX_FORMAT) as archive:
        for path, data in members:
            entry = tarfile.TarInfo(f"{NAME}/{path}")
            entry.size, entry.mtime, entry.mode = len(data), TIME, 0o644
            archive.addfile(entry, io.BytesIO(data))
    return name


def main() -> None:
    if len(sys.argv) != 3 or sys.argv[1] not in ("wheel", "sdist"):
        raise SystemExit(__doc__)
    build = build_wheel if sys.argv[1] == "wheel" else build_sdist
    print(pathlib.Path(sys.argv[2]) / build(sys.argv[2]))


if __name__ == "__main__":
    main()
