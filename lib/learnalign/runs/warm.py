"""Warm starts: one process imports the heavy packages once; every notebook's worker, and its
kernel, is a fork of it.

The starter is the parent of the workers, waits for them, and tells how each ended; with it they all
end. Before a fork only packages of others are imported, and none that computes in threads of its
own (DuckDB does; pyarrow has one that frees memory, and says itself how it is forked). A kernel
imports `learnalign` anew, inside IPython, so that people are redacted there. Linux only.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
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


class Starter:
    """The process that forks, as its owner sees it."""

    def __init__(self, environment: Mapping[str, str], scratch: Path) -> None:
        self._here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.ended: dict[int, int] = {}
        command = [
            sys.executable,
            "-m",
            "learnalign.runs.warm",
            str(there.fileno()),
            str(os.getpid()),
        ]
        with there, (scratch / "starter.log").open("wb") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=[there.fileno()],
                cwd=scratch,
                env=dict(environment),
                umask=0o077,
                start_new_session=True,
            )

    def start(self, job: Path, log: Any) -> "Forked":
        """A worker for a job, in the job's folder; waits until everything is imported, the first
        time.
        """
        with suppress(OSError):
            socket.send_fds(self._here, [str(job).encode()], [log.fileno()])
            while (told := self._told()) and "started" not in told:
                pass
            return Forked(self, told["started"] if told else 0)
        return Forked(self, 0)

    def look(self) -> None:
        """Read what was told of workers that ended; a starter that is gone has taken all with it."""
        while select.select([self._here], [], [], 0)[0] and self._told():
            pass

    def _told(self) -> dict[str, int]:
        with suppress(ConnectionError):
            if text := self._here.recv(4096):
                told = json.loads(text)
                if "ended" in told:
                    self.ended[told["ended"]] = told["code"]
                return told
        self.is_gone = True
        return {}

    is_gone = False

    def close(self) -> None:
        """End it, and with it what still runs of its workers."""
        self._here.close()
        self.process.kill()
        self.process.wait()


class Forked:
    """A forked worker, as `subprocess.Popen` shows one."""

    def __init__(self, starter: Starter, pid: int) -> None:
        self.pid, self._starter = pid, starter

    def poll(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        self._starter.look()
        return self._starter.ended.get(self.pid, -signal.SIGKILL if self._starter.is_gone else None)


@contextmanager
def started(environment: Mapping[str, str], scratch: Path) -> Iterator[Starter | None]:
    """A starter for as long as the block; None where the system has none."""
    if not IS_POSSIBLE:
        yield None
        return
    starter = Starter(environment, scratch)
    try:
        yield starter
    finally:
        starter.close()


# --- in the starter's process, and in its forks


class Kernel:
    """A fork that waits until it is told its connection file, and is then a kernel; as Jupyter sees
    a process.
    """

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


def manager(kernel: Kernel) -> type:
    """The kernel manager that makes this fork the kernel; one of another interpreter is started as
    usual.
    """
    from jupyter_client.manager import AsyncKernelManager

    class Manager(AsyncKernelManager):
        async def _async_launch_kernel(self, kernel_cmd: list[str], **options: Any) -> None:
            if (
                kernel_cmd[0] != sys.executable
                or "ipykernel_launcher" not in kernel_cmd
                or "-f" not in kernel_cmd
            ):
                await super()._async_launch_kernel(kernel_cmd, **options)
                return
            kernel.begin(kernel_cmd, options.get("env") or os.environ)
            self.provisioner.process, self.provisioner.pid, self.provisioner.pgid = (
                kernel,
                kernel.pid,
                kernel.pid,
            )
            self._reconcile_connection_info(self.provisioner.connection_info)

    return Manager


def _for_good(work: Any) -> None:
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


def _be_worker(job: Path, log: int, starter: int) -> int:
    tie(starter)
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.chdir(job.parent)
    for number in (1, 2):
        os.dup2(log, number)
    kernel = Kernel()
    return import_module("learnalign.runs.workers").work(job, kernel_manager_class=manager(kernel))


def serve(descriptor: int, owner: int) -> None:
    """Import, then fork a worker for every message, and tell how each ended, until the other side
    is gone.
    """
    tie(owner)
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]  # as in `workers`
    woken, wakes = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    for name in PACKAGES:
        import_module(name)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    server, me = socket.socket(fileno=descriptor), os.getpid()
    while True:
        ready = select.select([server, woken], [], [])[0]
        if woken in ready:
            os.read(woken, 4096)
            _reap(server)
        if server not in ready:
            continue
        job, logs, *_ = socket.recv_fds(server, 65536, 1)
        if not job:
            return
        if (pid := os.fork()) == 0:
            for one in (server.detach(), woken, wakes):
                os.close(one)
            _for_good(lambda job=job, log=logs[0]: _be_worker(Path(os.fsdecode(job)), log, me))
        os.close(logs[0])
        server.send(json.dumps({"started": pid}).encode())


def _reap(server: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            server.send(
                json.dumps(
                    {"ended": found[0], "code": os.waitstatus_to_exitcode(found[1])}
                ).encode()
            )


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
