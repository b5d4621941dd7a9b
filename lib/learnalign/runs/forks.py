"""In the processes of a run: what a worker does there, and the starter whose forks they are.

The starter imports the heavy packages once; every worker, and its kernel, is a fork of it. It is
the workers' parent, tells how each ended, and with it they all end. Before a fork only packages of
others are imported, and none that computes in threads of its own (DuckDB does; pyarrow has one that
frees memory, and says itself how it is forked). A kernel imports `learnalign` anew, inside IPython,
so that people are redacted there. Linux only; elsewhere each worker imports for itself.

The forkserver of `multiprocessing` does not keep what a run promises: there is one for the whole
program, which has the caller's environment with all its secrets, lives on when the run has ended,
and imports the caller's script once more.
"""

import json
import os
import select
import signal
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

IS_POSSIBLE = sys.platform == "linux"
PACKAGES = (
    "papermill",
    "ipykernel.kernelapp",
    "ibis.backends.sql.compilers",
    "pyarrow.parquet",
    "statsmodels.api",
    "statsmodels.miscmodels.ordinal_model",
    "scipy.optimize",
    "seaborn",
    "jinja2",
    "pyfixest",
)


def tie(parent: int) -> None:
    """End with the process `parent`, whatever ends it; on Linux at once, also when it is killed."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if hasattr(os, "getppid") and os.getppid() != parent:
        os._exit(5)  # it had ended before


def work(file: Path) -> int:
    """Do a job: `work` of the module that its file names; the exit code."""
    job = json.loads(file.read_text(encoding="utf-8"))
    tie(job["parent"])
    return import_module(f"learnalign.runs.{job['module']}").work(job)


def serve(owner: int) -> None:
    """Import, then fork a worker for every job named on standard input, until that is closed.

    A line on standard output tells of each when it began, and when it ended.
    """
    tie(owner)
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # as in `workers`
    tell = os.dup(1)
    os.dup2(2, 1)  # whatever a package prints is not meant for the owner
    for name in PACKAGES:
        import_module(name)
    me, rest = os.getpid(), b""
    while True:
        if select.select([0], [], [], 0.05)[0]:
            if not (read := os.read(0, 65536)):
                return
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                if (pid := os.fork()) == 0:
                    os.close(tell)
                    _for_good(lambda line=line: _be_worker(Path(json.loads(line)), me))
                _tell(tell, pid=pid)
        with suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                _tell(tell, pid=found[0], code=os.waitstatus_to_exitcode(found[1]))


def _tell(pipe: int, **facts: int) -> None:
    os.write(pipe, json.dumps(facts).encode() + b"\n")


def _be_worker(file: Path, starter: int) -> int:
    tie(starter)
    os.setsid()
    os.chdir(file.parent)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    log = os.open(file.with_suffix("").with_suffix(".log"), os.O_WRONLY | os.O_APPEND)
    for number in (1, 2):
        os.dup2(log, number)
    return work(file)


def _for_good(work: Callable[[], int | None]) -> None:
    """In a fork: work, and end with its exit code; nothing of the parent's goes on."""
    code = 1
    try:
        code = work() or 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)


# --- kernels


class Kernel:
    """A fork that waits for its connection file and is then a kernel; as Jupyter sees a process."""

    stdin = stdout = stderr = None

    def __init__(self) -> None:
        told, self._tell = os.pipe()
        self.returncode: int | None = None
        worker, self.pid = os.getpid(), os.fork()
        if self.pid == 0:
            os.close(self._tell)
            _for_good(lambda: _be_kernel(told, worker))
        os.close(told)

    def begin(self, command: list[str], env: Mapping[str, str]) -> None:
        """Become the kernel of this command line, in this environment."""
        with os.fdopen(self._tell, "w") as stream:
            json.dump({"arguments": command[command.index("-f") :], "env": dict(env)}, stream)

    def poll(self) -> int | None:
        """Its exit code; None while it runs."""
        return self._waited(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait until it ended."""
        return self._waited(0)

    def _waited(self, how: int) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, how)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def _be_kernel(told: int, worker: int) -> None:
    tie(worker)
    os.setsid()
    with os.fdopen(told) as stream:
        text = stream.read()
    if not text:
        return
    wanted = json.loads(text)
    os.environ.clear()
    os.environ.update(wanted["env"])
    import_module("numpy").random.seed()  # not the state that all forks have in common
    for name in [name for name in sys.modules if name.partition(".")[0] == "learnalign"]:
        del sys.modules[name]  # to be imported inside IPython
    sys.argv = ["ipykernel_launcher", *wanted["arguments"], f"--IPKernelApp.parent_handle={worker}"]
    import_module("ipykernel.kernelapp").launch_new_instance()


def manager(kernel: Kernel) -> type:
    """The manager that makes this fork the kernel; one of another Python is started as usual."""
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
            is_ours = kernel_cmd[0] == sys.executable and "ipykernel_launcher" in kernel_cmd
            if not is_ours or "-f" not in kernel_cmd:
                await super()._async_launch_kernel(kernel_cmd, **options)
                return
            kernel.begin(kernel_cmd, options.get("env") or os.environ)
            provisioner = self.provisioner
            provisioner.process, provisioner.pid, provisioner.pgid = kernel, kernel.pid, kernel.pid
            self._reconcile_connection_info(provisioner.connection_info)

    return Manager


if __name__ == "__main__":
    if len(sys.argv) > 2:
        sys.exit(work(Path(sys.argv[2])))
    serve(int(sys.argv[1]))
