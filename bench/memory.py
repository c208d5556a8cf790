"""Peaks of memory, sampled from /proc: what a process has for itself (RssAnon), in bytes."""

import contextlib
import threading
import time


def anonymous(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            return next((int(line.split()[1]) * 1024 for line in file if line.startswith("RssAnon:")), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def siblings(pid: int) -> list[int]:
    """The server's processes: the postmaster's children."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        postmaster = file.read().rsplit(")", 1)[1].split()[1]
    with open(f"/proc/{postmaster}/task/{postmaster}/children", encoding="utf-8") as file:
        return [int(child) for child in file.read().split()]


@contextlib.contextmanager
def watched(pid: int):
    """The peaks of a backend and of the processes that start beside it, by process, while the block runs."""
    before = set(siblings(pid)) - {pid}
    peaks = {pid: 0}
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            for process in siblings(pid):
                if process not in before:
                    peaks[process] = max(peaks.get(process, 0), anonymous(process))
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield peaks
    finally:
        ended.set()
        thread.join()
