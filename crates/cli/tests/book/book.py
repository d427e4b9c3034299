"""Runs a chapter of the operator's book: every command in it, on machines of its own.

    book.py BINARY REPOSITORY CHAPTER…

Several chapters are run one after the other, on the same machines. Every fenced block whose language is `console` is run, in order. `$ ` begins a command, `> ` goes on with it; what stands below
is what it prints: each line must come, in this order, where `…` is anything and other lines may come between (a `…` alone: or nothing). A command must
succeed; one that ends with `# ends with 7` must end so. ```console on m1 m2``` names machines, on each of which they are run, each command on all at the
same time; ```console in turn on m1 m2``` has the whole block run on one after the other. Else the machines are those of the block before.

<!-- after first-cluster.md --> at the top of a chapter has that one run before, without a word about it.

A machine is a network namespace and, for each command, a mount namespace, in which /etc, /var/lib, /var/log, /usr/local and /root are
those of the machine. /usr/local/bin/distrifs is BINARY, /usr/local/src/distrifs has the repository's `deploy`. `systemctl` is a stand-in that does what the unit files say. It needs root, and
removes what it has made: processes, namespaces, directories.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path

NAMES = ["desk", "m1", "m2", "m3", "m4", "d1", "d2", "d3", "d4", "d5"]
PATIENCE = 180


class Step:
    def __init__(self, chapter, line, machine, command):
        self.chapter, self.line, self.machine, self.command = chapter, line, machine, command
        self.expected = []

    @property
    def status(self):
        named = re.search(r"#\s*ends with (\d+)\s*$", self.command)
        return int(named[1]) if named else 0

    def __str__(self):
        first, *rest = self.command.splitlines()
        return f"{self.chapter}:{self.line}: on {self.machine}: {first}{' …' if rest else ''}"


def parse(folder, chapter):
    """The chapters that come before, and the steps of this one."""
    steps, before, machines, inside, current, begins, in_turn = [], [], ["desk"], None, [], 0, False
    for number, line in enumerate((folder / chapter).read_text().splitlines(), 1):
        if fence := re.match(r"```(.*)", line):
            if inside is not None and in_turn:
                # Those of one machine stay in order.
                steps[begins:] = sorted(steps[begins:], key=lambda step: machines.index(step.machine))
            inside = None if inside is not None else fence[1].split()
            begins, in_turn = len(steps), inside is not None and inside[1:3] == ["in", "turn"]
            if in_turn:
                del inside[1:3]
            if inside and inside[:2] == ["console", "on"]:
                machines = inside[2:]
                assert machines and set(machines) <= set(NAMES), f"{chapter}:{number}: on which machines?"
        elif inside is None:
            if named := re.match(r"<!-- after (\S+) -->", line):
                before.append(named[1])
        elif inside[:1] == ["console"]:
            if line.startswith("$ "):
                current = [Step(chapter, number, machine, line[2:]) for machine in machines]
                steps += current
            elif line.startswith("> "):
                for step in current:
                    step.command += "\n" + line[2:]
            elif line.strip():
                assert current, f"{chapter}:{number}: output of no command"
                for step in current:
                    step.expected.append(line)
    return before, steps


def matches(pattern, line):
    parts = [r"\s+".join(map(re.escape, part.split())) for part in pattern.split("…")]
    return re.fullmatch(r"\s*" + r"\s*.*\s*".join(parts) + r"\s*", line) is not None


def missing(expected, printed):
    """The first expected line that does not come in its place."""
    lines = iter(printed.splitlines())
    for pattern in expected:
        if pattern.strip() != "…" and not any(matches(pattern, line) for line in lines):
            return pattern
    return None


def ip(*words, check=True):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if check and done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")


class Machines:
    def __init__(self, binary, repository, names):
        self.binary, self.repository = binary, repository
        self.prefix = f"dfk{os.getpid():x}"
        self.folder = Path(tempfile.mkdtemp(prefix="distrifs-book-"))
        self.folder.chmod(0o755)
        self.names = []
        ip("netns", "add", self.hub)
        ip("-n", self.hub, "link", "add", "bridge", "type", "bridge")
        ip("-n", self.hub, "link", "set", "bridge", "up")
        for name in names:
            self.names.append(name)
            self.make(name)

    @property
    def hub(self):
        return f"{self.prefix}-hub"

    def namespace(self, name):
        return f"{self.prefix}-{name}"

    def make(self, name):
        space, port = self.namespace(name), f"port-{name}"
        ip("netns", "add", space)
        ip("-n", self.hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", space)
        ip("-n", self.hub, "link", "set", port, "master", "bridge", "up")
        ip("-n", space, "address", "add", f"10.80.0.{NAMES.index(name) + 1}/24", "dev", "eth0")
        for device in ["eth0", "lo"]:
            ip("-n", space, "link", "set", device, "up")
        root = self.folder / name
        shutil.copytree("/etc", root / "etc", symlinks=True, ignore_dangling_symlinks=True,
                        ignore=shutil.ignore_patterns("shadow-", "docker", "alternatives.bak"))
        hosts = "".join(f"10.80.0.{n} {name}\n" for n, name in enumerate(NAMES, 1))
        (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n{hosts}")
        (root / "etc/hostname").write_text(f"{name}\n")
        for folder in ["var/lib", "var/log", "local/bin", "local/share", "root", "etc/systemd/system"]:
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "local/bin/distrifs").touch()
        (root / "local/src/distrifs/deploy").mkdir(parents=True)
        shutil.copy(Path(__file__).parent / "systemctl", root / "local/bin/systemctl")

    def run(self, step):
        root = self.folder / step.machine
        source = root / "local/src/distrifs/deploy"
        binds = [(self.binary, root / "local/bin/distrifs"), (self.repository / "deploy", source), (root / "etc", "/etc"), (root / "var/lib", "/var/lib"),
                 (root / "var/log", "/var/log"), (root / "local", "/usr/local"), (root / "root", "/root")]
        # Mounts of a folder take those in it along (rbind): the binary is mounted first, where it is to be seen later.
        mounts = "".join(f"mount --rbind '{what}' '{where}'\n" for what, where in binds)
        hostname = f"hostname {step.machine} 2>/dev/null || true\n"
        script = f"set -e\n{mounts}{hostname}cd /root\nexec bash -e -c \"$1\""
        env = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root", "USER": "root", "LC_ALL": "C.UTF-8", "COLUMNS": "160",
        }
        command = ["ip", "netns", "exec", self.namespace(step.machine), "unshare", "--uts", "bash", "-c", script,
                   "bash", step.command]
        out = root / "out"
        with open(out, "wb") as sink:
            # A file and no pipe: what a command leaves in the background may have it open for as long as it likes.
            running = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=sink, stderr=sink)
            try:
                status = running.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                running.kill()
                status = running.wait()
        printed = out.read_text(errors="replace")
        absent = missing(step.expected, printed)
        if status != step.status:
            raise AssertionError(f"{step}\nended with {status} instead of {step.status}:\n{printed}")
        if absent:
            raise AssertionError(f"{step}\ndid not print, where it should have: {absent}\nbut:\n{printed}")

    def logs(self):
        for name in self.names:
            for log in sorted((self.folder / name / "var/log").glob("distrifs*.log")):
                tail = log.read_text(errors="replace").splitlines()[-6:]
                print(f"--- {name}: {log.name}", *tail, sep="\n")

    def remove(self):
        for name in [*self.names, "hub"]:
            space = f"{self.prefix}-{name}"
            for kill in (signal.SIGTERM, signal.SIGKILL):
                listed = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True).stdout
                for process in listed.split():
                    try:
                        os.kill(int(process), kill)
                    except ProcessLookupError:
                        pass
                if listed and kill == signal.SIGTERM:
                    time.sleep(0.5)
            ip("netns", "delete", space, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


def main():
    binary, repository = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder = repository / "docs/operations"
    order = []

    def add(chapter):
        if chapter not in order:
            for earlier in parse(folder, chapter)[0]:
                add(earlier)
            order.append(chapter)

    for chapter in sys.argv[3:]:
        add(chapter)
        assert parse(folder, chapter)[1], f"{chapter} has no command"
    steps = [step for chapter in order for step in parse(folder, chapter)[1]]
    machines = None
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        try:
            machines = Machines(binary, repository, [name for name in NAMES if any(s.machine == name for s in steps)])
        except OSError as error:
            print(f"SKIPPED: machines can not be made here: {error}; that needs root")
            return
        # What is run on several machines is run there at the same time.
        with ThreadPoolExecutor(len(NAMES)) as pool:
            for _, together in groupby(steps, key=lambda step: (step.chapter, step.line)):
                start, together = time.monotonic(), list(together)
                list(pool.map(machines.run, together))
                if os.environ.get("VERBOSE"):
                    print(f"{time.monotonic() - start:6.1f} s  {together[0]}", flush=True)
        print(f"{len(steps)} commands of {', '.join(order)}")
    except AssertionError as error:
        print(error)
        machines.logs()
        sys.exit(1)
    finally:
        if machines:
            machines.remove()


main()
