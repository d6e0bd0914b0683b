"""Making what was written survive a power failure."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def flush_file_system(folder: Path) -> None:
    """Waits until all that was written to the file system of a folder is on the disk.

    One syncfs for a whole bundle: an fsync for each of its files takes some thirty times as long.
    """
    library = ctypes.CDLL(None, use_errno=True)
    call = getattr(library, "syncfs", None)
    if call is None:  # not Linux
        os.sync()
        return
    with _opened(folder) as descriptor:
        if call(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))


def flush_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    with _opened(folder) as descriptor:
        os.fsync(descriptor)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
