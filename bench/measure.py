"""What the benchmarks share: running a command and knowing what it cost, the machine's description, a place for lakes, tables."""
import contextlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent


class Failed(Exception):
    """A command that should have succeeded did not."""


def measure(command, work, ok=(0,)):
    """Runs a command; returns {"wall_ms", "cpu_ms", "peak_mb", "exit", "stdout"}, or raises Failed with what it said."""
    out, err = work / "stdout", work / "stderr"
    launched = subprocess.run([sys.executable, "-I", "-S", str(HERE / "launch.py"), str(out), str(err), *map(str, command)],
                              stdout=subprocess.PIPE, env=environment(work), check=True)
    cost = json.loads(launched.stdout)
    cost["stdout"] = out.read_text(errors="replace")
    if cost["exit"] not in ok:
        said = (err.read_text(errors="replace").strip() or cost["stdout"].strip())[-2000:]
        raise Failed(f"{' '.join(map(str, command))}\nended with {cost['exit']}: {said}")
    return cost


def environment(work):
    """The caller's, less what would bring the caller's own configuration and lake in, or slow Python down: without compiled files
    of its packages (PYTHONDONTWRITEBYTECODE, and a pip that was told not to compile) the baseline takes three times as long."""
    dropped = ("PREGAO_", "AWS_", "XDG_", "LC_", "LANG", "PYTHON")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return kept | {"LC_ALL": "C.UTF-8", "XDG_DATA_HOME": str(work / "xdg"), "XDG_CONFIG_HOME": str(work / "xdg"),
                   "XDG_STATE_HOME": str(work / "xdg"), "XDG_CACHE_HOME": str(work / "xdg")}


def tree_peak_mb(command, work, every=0.002):
    """The largest sum of a command's own and its descendants' memory (shared pages shared out) that sampling saw. It slows the
    command down: never inside a timed run."""
    with open(work / "stdout", "wb") as out, open(work / "stderr", "wb") as err:
        process = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err, env=environment(work))
        peak = 0
        while process.poll() is None:
            peak = max(peak, sum(pss_kb(pid) for pid in descendants(process.pid)))
            time.sleep(every)
    return peak / 1024


def descendants(pid):
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, pathlib.Path(f"/proc/{parent}/task/{task}/children").read_text().split())
    return found


def pss_kb(pid):
    with contextlib.suppress(OSError):
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


@contextlib.contextmanager
def workplace(folder, keep=False):
    """A fresh folder below the given one. It goes only when all is measured: a file system may make new files slowly for seconds
    after many were deleted (ext4 passes over inodes freed a moment ago one by one), which would time the run before."""
    folder.mkdir(parents=True, exist_ok=True)
    work = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=folder))
    try:
        yield work
    finally:
        if not keep:
            shutil.rmtree(work, ignore_errors=True)


def spread(values):
    return {"minimum": min(values), "median": statistics.median(values), "maximum": max(values)}


def machine(folder):
    """Enough to know that two results came from the same kind of machine."""
    model = next((line.partition(":")[2].strip() for line in lines("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    mounts = [line.split()[1:3] for line in lines("/proc/mounts")]
    path = str(folder.resolve())
    here = [mount for mount in mounts if path == mount[0] or path.startswith(mount[0].rstrip("/") + "/")]
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": platform.release(), "python": platform.python_version(),
            "file_system": max(here, key=lambda mount: len(mount[0]))[1] if here else "unknown", "load": os.getloadavg()[0]}


def describe(about):
    return (f"{about['cores']} cores ({about['cpu']}), Linux {about['kernel']}, {about['file_system']}, Python {about['python']}, "
            f"load {about['load']:.1f} when it began")


def lines(path):
    with contextlib.suppress(OSError):
        return pathlib.Path(path).read_text().splitlines()
    return []


def table(heads, rows):
    """The first column to the left, the others to the right."""
    cells = [[str(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(map(len, column)) for column in zip(*cells)]
    return "\n".join("  ".join([row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]).rstrip()
                     for row in cells)


def say(text=""):
    """Progress and remarks go to standard error, results to standard output."""
    print(text, file=sys.stderr, flush=True)
