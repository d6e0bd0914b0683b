"""Work in a network namespace of its own, in this process."""

import os
import threading
from collections.abc import Callable

from lab.kernel import new_netns


def in_netns(work: Callable[[], None]) -> None:
    """Sockets and programs of `work` belong to a new network namespace; what it raises is raised."""
    failed: list[BaseException] = []

    def run() -> None:
        os.close(new_netns())
        try:
            work()
        except BaseException as error:  # noqa: BLE001 # handed to the thread that waits
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]
