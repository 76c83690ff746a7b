"""Turns the handwritten digits that the scikit-learn package ships into .npy files.

    python scripts/digits.py FOLDER

The package is downloaded and unpacked, not installed. FOLDER gets digits.csv.gz, digits_f4.npy and digits_f8.npy: 1797 images
of 8 x 8 grey values from 0 to 16, one image a row. When they are there already, nothing is done.
"""

import gzip
import pathlib
import subprocess
import sys
import tempfile
import zipfile

import numpy as np

MEMBER = "sklearn/datasets/data/digits.csv.gz"


def download(folder: pathlib.Path) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
             "--only-binary", ":all:", "--dest", scratch, "scikit-learn"],
            check=True,
        )
        wheel = next(pathlib.Path(scratch).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            (folder / "digits.csv.gz").write_bytes(archive.read(MEMBER))
        print(f"digits: took {MEMBER} from {wheel.name}")


def main() -> None:
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    if all((folder / name).exists() for name in ("digits_f4.npy", "digits_f8.npy")):
        return
    if not (folder / "digits.csv.gz").exists():
        download(folder)
    with gzip.open(folder / "digits.csv.gz", "rt") as lines:
        table = np.loadtxt(lines, delimiter=",")
    images = table[:, :64]  # the last column is the digit that the image shows
    if images.shape != (1797, 64):
        raise SystemExit(f"digits: expected 1797 images of 64 values, found {images.shape}")
    np.save(folder / "digits_f8.npy", images.astype("<f8"))
    np.save(folder / "digits_f4.npy", images.astype("<f4"))
    print(f"digits: {images.shape[0]} images of {images.shape[1]} values in {folder}")


if __name__ == "__main__":
    main()
