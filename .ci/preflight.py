"""Say what this machine lacks, each with the command that brings it; exit 1 if anything does."""

import ctypes
import importlib.util
import os
import sys

OLDEST = (3, 11)


def missing():
    """Each thing that is not there, with the command that brings it."""
    root = "" if hasattr(os, "geteuid") and os.geteuid() == 0 else "sudo "
    linux, mac = sys.platform.startswith("linux"), sys.platform == "darwin"
    brew = "brew install {}"
    apt = root + "apt-get install -y {}"
    if sys.version_info < OLDEST:
        have, want = "{}.{}".format(*sys.version_info[:2]), "{}.{}".format(*OLDEST)
        how = brew.format("python@" + want) if mac else apt.format(f"python{want} python{want}-venv")
        yield f"Python {want} or newer ({sys.executable} is {have})", how + "   then: make PYTHON=python" + want
        return
    if not (importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")):
        yield "Python's venv with pip", apt.format("python3-venv")
    library = "libgomp.so.1" if linux else None  # LightGBM loads it; its wheel does not bring it
    if library and not loads(library):
        yield library, apt.format("libgomp1") + "   (Fedora: dnf install libgomp; Alpine: apk add libgomp)"
    if mac and not any(loads(place + "/opt/libomp/lib/libomp.dylib") for place in ("/opt/homebrew", "/usr/local")):
        yield "libomp", brew.format("libomp")


def loads(library):
    """Whether the loader finds this shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    lacks = list(missing())
    for what, how in lacks:
        sys.stderr.write(f"missing: {what}\n  {how}\n")
    sys.exit(1 if lacks else 0)
