"""Durable units of work: many processes through the writer, compared with many that write directly.

A unit is what a loop does at each step: the fence (one UPDATE), a fact (one INSERT), synchronous FULL.

    python -m bench.bench_writing [--writers 1,8,32,100] [--seconds 3] [--only writer|direct]
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import multiprocessing
import os
import resource
import signal
import socket
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

from bench.measure import Row
from ftl2_enterprise.loops.rows import loops as loop_rows
from ftl2_enterprise.loops.units import claim as claim_units
from ftl2_enterprise.protocol.fact import Fact
from ftl2_enterprise.protocol.loops.facts import loop_subject
from ftl2_enterprise.protocol.loops.nouns import LoopSpec
from ftl2_enterprise.store.tx import Tx
from ftl2_enterprise.store.unit import DirectWriter, unit
from ftl2_enterprise.supervisor.writer import main as writer_process
from ftl2_enterprise.supervisor.writer.sync_client import WriterLink
from ftl2_enterprise.wiring.database import open_database

LOOPS = 100
WRITERS = (1, 8, 32, 100)
WARM_UP = 20
"""Units of each process before the measurement, so that copies of shared memory pages are not measured."""


class BenchStep(Fact, frozen=True, tag="bench.step"):
    """A step of a loop."""

    n: int
    module: str
    host: str


@unit
def step(tx: Tx, loop_id: int, n: int) -> int:
    """Record a fact, as a step of a loop does."""
    return tx.emit(BenchStep(n=n, module="service", host="web1"), subject=loop_subject(loop_id)).id


def make(path: Path) -> None:
    database = open_database(path, create=True)
    with database.write() as tx:
        for n in range(LOOPS):
            loop = loop_rows.create_loop(tx, LoopSpec(name=f"loop{n}", desired_state="x"))
            loop_rows.claim_loop(tx, loop.id, "bench")
    database.close()


def client(kind: str, path: Path, address: str, loop_id: int, gate: Any, until: Any, results: Any) -> None:
    """Write units sequentially until the time is over."""
    if kind == "writer":
        writer: Any = WriterLink(address)
    else:
        writer = DirectWriter(open_database(path, create=False, busy_timeout=120.0))
    fence = claim_units.fence.call(loop_id, 1)
    taken: list[float] = []
    for _ in range(WARM_UP):
        writer.execute([fence, step.call(loop_id, 0)])
    gate.wait()
    end = until.value
    n = 0
    while (began := time.perf_counter()) < end:
        n += 1
        writer.execute([fence, step.call(loop_id, n)])
        taken.append(time.perf_counter() - began)
    results.put((taken, time.perf_counter()))


def measure(kind: str, writers: int, seconds: float, place: Path, profile: str | None) -> dict[str, Any]:
    path = place / f"{kind}-{writers}.db"
    make(path)
    # Like the forkserver.
    gc.collect()
    gc.freeze()
    context = multiprocessing.get_context("fork")
    address = str(place / f"{kind}-{writers}.sock")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(1024)
    writer_pid = start_writer(listener, path, profile) if kind == "writer" else None
    gate = context.Barrier(writers + 1)
    until = context.Value("d", 0.0)
    results: Any = context.SimpleQueue()
    processes = [
        context.Process(target=client, args=(kind, path, address, n % LOOPS + 1, gate, until, results))
        for n in range(writers)
    ]
    for process in processes:
        process.start()
    until.value = time.perf_counter() + 3600
    while gate.n_waiting < writers:
        time.sleep(0.01)
    until.value = time.perf_counter() + seconds
    began = time.perf_counter()
    gate.wait()
    reports = [results.get() for _ in processes]
    taken = [report[0] for report in reports]
    wall = max(report[1] for report in reports) - began
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for process in processes:
        process.join()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = None
    if writer_pid is not None:
        cpu = cpu_seconds(writer_pid)
        os.kill(writer_pid, signal.SIGTERM)
        os.waitpid(writer_pid, 0)
    listener.close()
    every = sorted(one for each in taken for one in each)
    counts = [len(each) for each in taken]
    return {
        "kind": kind,
        "writers": writers,
        "per_second": round(len(every) / wall),
        "p50_ms": round(every[len(every) // 2] * 1e3, 2),
        "p99_ms": round(every[int(len(every) * 0.99)] * 1e3, 2),
        "max_ms": round(every[-1] * 1e3, 1),
        "least": min(counts),
        "most": max(counts),
        "writer_cpu": cpu,
        "client_cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 2),
    }


def start_writer(listener: socket.socket, path: Path, profile: str | None) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        if profile:
            profiler = cProfile.Profile()
            profiler.runcall(writer_process.main, listener, lambda: open_database(path, create=False))
            profiler.dump_stats(profile)
        else:
            writer_process.main(listener, lambda: open_database(path, create=False))
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return round((int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), 2)


def run() -> list[Row]:
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as place:
        for writers in WRITERS:
            direct, ours = (measure(kind, writers, 2.0, Path(place), None) for kind in ("direct", "writer"))
            what, against = f"durable units, {writers} processes", "each process writes directly"
            each = [1e6 / one["per_second"] for one in (ours, direct)]
            rows.append(Row(name=f"{what}: time for one", ours=each[0], peer=each[1], unit="us", against=against))
            late = [one["p99_ms"] for one in (ours, direct)]
            rows.append(Row(name=f"{what}: p99", ours=late[0], peer=late[1], unit="ms", against=against))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--writers", default=",".join(map(str, WRITERS)))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", choices=["writer", "direct"])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--profile", help="file for the profile of the writer")
    parser.add_argument("--directory", help="where the databases are made; a real disk, or nothing is proven")
    given = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(dir=given.directory) as place:
        for writers in map(int, given.writers.split(",")):
            for kind in [given.only] if given.only else ["direct", "writer"]:
                row = measure(kind, writers, given.seconds, Path(place), given.profile)
                rows.append(row)
                if not given.json:
                    print(
                        f"{row['kind']:>7} {row['writers']:>4} writers {row['per_second']:>7} units/s"
                        f"  p50 {row['p50_ms']:>8} ms  p99 {row['p99_ms']:>8} ms  max {row['max_ms']:>8} ms"
                        f"  units a writer {row['least']}-{row['most']}"
                        f"  cpu {row['client_cpu']} s"
                        + (f" + writer {row['writer_cpu']} s" if row["writer_cpu"] is not None else ""),
                        flush=True,
                    )
    if given.json:
        json.dump(rows, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
