"""`make bench-supervisor`: the same figures for our service, supervisord, circus and runit, in one run.

    python -m bench.peers CACHE [--children N]

CACHE contains the peers (packaging/fetch-peers downloads them); missing ones are reported and left out.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.peers import ours, peers, process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.peers.peers import Peer

FULL, FULL_ROUNDS = 10, 3
"""Children that import everything, and how often each is killed; a peer needs a second for a restart."""


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("cache", type=Path)
    parser.add_argument("--children", type=int, default=200)
    parser.add_argument("--idle", type=float, default=30.0, help="seconds over which idle CPU is measured")
    given = parser.parse_args()
    # Absolute, because a supervisor may change its directory.
    supervisors: list[Peer] = [ours.Ours(), *peers.available(given.cache.resolve())]
    missing = {"supervisord", "circus", "runit"} - {each.name for each in supervisors}
    if missing:
        print(f"left out, because not installed: {', '.join(sorted(missing))}")
    figures: dict[str, dict[str, str]] = {}
    for each in supervisors:
        try:
            figures[each.name] = measure(each, given.children, given.idle)
        except TimeoutError as error:
            # Keep the previous measurements.
            print(f"{each.name} cannot be measured: {error}")
    show(figures)
    disk = spread(syncs(Path(tempfile.gettempdir()), 1000))
    print(f"this disk, fdatasync of 8 kB, for which our restart waits, ms: {disk}")


def syncs(directory: Path, count: int) -> list[float]:
    """Milliseconds of each; the minimum for a supervisor that records its work durably."""
    times: list[float] = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(count):
            file.seek(0)
            file.write(bytes(8192))
            file.flush()
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
            time.sleep(0.01)
    return times


def measure(peer: Peer, children: int, idle: float) -> dict[str, str]:
    print(f"measuring {peer.name} ...", flush=True)
    return bare(peer, children, idle) | full(peer)


def bare(peer: Peer, count: int, idle: float) -> dict[str, str]:
    """Children that do nothing."""
    found: dict[str, str] = {}
    kids: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="ftl2-bench-") as name, process.Ready(Path(name)) as ready:
        try:
            peer.prepare(Path(name), count, ready.path, "bare")
            began = time.perf_counter()
            peer.start()
            kids = ready.all(count, 300)
            found[f"{count} children up, s"] = f"{time.perf_counter() - began:.2f}"
            if isinstance(peer, ours.Ours):
                # A child of a peer does nothing; each of ours begins with an iteration.
                peer.wait_for_first_iterations()
                found["... until each has finished an iteration, s"] = f"{time.perf_counter() - began:.2f}"
            status = peer.status()
            found["status of all, same connection, ms"] = spread([peers.milliseconds(status) for _ in range(50)])
            found["status as a command, ms"] = spread([command(peer.status_command()) for _ in range(15)])
            kept = [process.memory(pid) for pid in list(kids.values())[:20]]
            found["memory of a child, PSS / USS, MB"] = " / ".join(
                f"{statistics.median(each[kind] for each in kept):.1f}" for kind in ("pss", "uss")
            )
            own = [process.memory(pid) for pid in peer.pids()]
            found["memory of the supervisor, RSS / PSS, MB"] = " / ".join(
                f"{sum(each[kind] for each in own):.0f}" for kind in ("rss", "pss")
            )
            idle_as_shipped = f"{count} idle children and their supervisor, as shipped, PSS, MB"
            kept_alive = [process.memory(pid) for pid in kids.values()]
            found[idle_as_shipped] = f"{sum(each['pss'] for each in [*own, *kept_alive]):.0f}"
            found[f"idle CPU of the supervisor over {idle:.0f} s, %"] = f"{busy(peer.pids(), idle):.3f}"
            everything = [*peer.pids(), *kids.values()]
            found[f"idle CPU with children over {idle:.0f} s, %"] = f"{busy(everything, idle):.3f}"
            began = time.perf_counter()
            peer.stop()
            process.until(lambda: not any(process.is_alive(pid) for pid in kids.values()), 120, "children to end")
            found["stop all, s"] = f"{time.perf_counter() - began:.2f}"
            if isinstance(peer, ours.Ours):
                # Above, each loop keeps its process, for comparison; by default, a resting loop has none.
                peer.start_as_shipped()
                found[idle_as_shipped] = f"{sum(process.memory(pid)['pss'] for pid in peer.pids()):.0f}"
                peer.stop()
        finally:
            peers.end(peer, list(kids.values()))
    return found


def full(peer: Peer) -> dict[str, str]:
    """Children that have imported what a loop's process needs: the time until one is back after SIGKILL.

    A child is back when it has imported everything: the child of a peer reports it. Ours has everything imported when
    it starts; it is back when it has opened the database and claimed its loop.
    """
    kids: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="ftl2-bench-") as name, process.Ready(Path(name)) as ready:
        try:
            peer.prepare(Path(name), FULL, ready.path, "full")
            began = time.perf_counter()
            peer.start()
            kids = ready.all(FULL, 300)
            up = time.perf_counter() - began
            times: list[float] = []
            claimed: list[float] = []
            for _ in range(FULL_ROUNDS):
                for key in list(kids):
                    # Each child has run for longer than a supervisor considers a failed start.
                    time.sleep(1.1 / FULL)
                    began, at = time.perf_counter(), time.time()
                    os.kill(kids[key], signal.SIGKILL)
                    again, pid = ready.next(60)
                    acknowledged = (time.perf_counter() - began) * 1000
                    kids[again] = pid
                    if isinstance(peer, ours.Ours):
                        times.append((peer.started_at(again) - at) * 1000)
                        claimed.append(acknowledged)
                    else:
                        times.append(acknowledged)
            peer.stop()
        finally:
            peers.end(peer, list(kids.values()))
    found = {
        f"{FULL} children with all imports up, s": f"{up:.2f}",
        "restart of a child with all imports after kill -9, ms": spread(times),
    }
    return found | ({"... until it is seen to have claimed its loop, ms": spread(claimed)} if claimed else {})


def command(argv: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(argv, check=False, capture_output=True)
    return (time.perf_counter() - began) * 1000


def busy(pids: Sequence[int], seconds: float) -> float:
    """Percent of one processor."""
    before = process.cpu_seconds(pids)
    time.sleep(seconds)
    return (process.cpu_seconds(pids) - before) / seconds * 100


def spread(times: Sequence[float]) -> str:
    """Median and the 99th percentile."""
    ordered = sorted(times)
    return f"{statistics.median(ordered):.2f} / {ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]:.2f}"


def show(figures: dict[str, dict[str, str]]) -> None:
    """Print a table: a row for each figure, a column for each supervisor; two numbers are p50 / p99 unless noted."""
    rows = list(next(iter(figures.values())))
    width = max(len(row) for row in rows)
    print()
    print(f"{'(p50 / p99)':{width}} " + " ".join(f"{name:>18}" for name in figures))
    for row in rows:
        print(f"{row:{width}} " + " ".join(f"{found.get(row, '-'):>18}" for found in figures.values()))


if __name__ == "__main__":
    main()
