"""Machines are apart from one another, and nothing is left of them."""

import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.machines.cluster import ROOT, Cluster

pytestmark = pytest.mark.machines

START_AND_WAIT = """
import time
from tests.machines.cluster import cluster
with cluster(2) as machines:
    for machine in machines.machines:
        command = ["sh", "-c", "echo up; exec sleep 1000"]
        machine.start(command, machine.folder).stdout.readline()
    living = [pid for machine in machines.machines for pid in machine.processes()]
    print(machines.folder, *living, flush=True)
    time.sleep(1000)
"""


def test_each_has_a_name_a_boot_and_memory_of_its_own(three: Cluster) -> None:
    for what in ("hostname", "cat /proc/sys/kernel/random/boot_id", "ip addr show dev eth0"):
        assert len({machine.run(what) for machine in three.machines}) == 3
    first, second, _ = three.machines
    first.run("touch /dev/shm/a_file")
    assert "a_file" in first.run("ls /dev/shm") and "a_file" not in second.run("ls /dev/shm")
    assert set(first.processes()).isdisjoint(second.processes())
    assert first.run("cat /proc/1/cmdline").split("\0")[-2] == "m1"


def test_the_host_sees_nothing_of_their_network(three: Cluster) -> None:
    shown = subprocess.run(["ip", "addr"], capture_output=True, text=True, check=True).stdout
    assert not any(f"{m.address}/" in shown or f"{m.name}:" in shown for m in three.machines)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_all_ends_with_who_started_it(number: signal.Signals) -> None:
    words = [sys.executable, "-c", START_AND_WAIT]
    it = subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert it.stdout is not None
        folder, *words = it.stdout.readline().decode().split()
        pids = [int(word) for word in words]
        assert len(pids) >= 4 and all(map(is_alive, pids))
        it.send_signal(number)
        it.wait(timeout=10)
    finally:
        it.kill()
    give_up = time.monotonic() + 5
    while left := [pid for pid in pids if is_alive(pid)]:
        assert time.monotonic() < give_up, left
        time.sleep(0.01)
    shutil.rmtree(folder, ignore_errors=number == signal.SIGINT)  # then it was removed in order


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
