"""All ranks of a node see what one of them writes, and no file is left open."""

import os

import numpy as np

from hpcepm.parallel import launch
from hpcepm.parallel.node import Node


def main() -> None:
    """Write on each rank, read on all."""
    world = launch.initialize()
    node = Node(world)
    assert (node.rank, node.size) == (world.rank, world.size)
    open_files = len(os.listdir("/proc/self/fd"))
    for shape in ((world.size, 5), (world.size, 100003), (world.size, 0)):
        array = node.shared(shape, np.int64)
        assert array.shape == shape and not array.any()
        node.barrier()
        array[node.rank] = node.rank + 1
        node.barrier()
        assert (array == np.arange(1, world.size + 1)[:, None]).all()
    assert len(os.listdir("/proc/self/fd")) == open_files


if __name__ == "__main__":
    main()
