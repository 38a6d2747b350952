"""The CPU engine: CSM in C++ with the processor's own vector instructions, one call per frame.

``src/`` is compiled on the machine it runs on (``build``), found and loaded by ``library``, given its
weights by ``weights`` and used by ``decoder``. Where it cannot be built, PyTorch's kernels do the work.
"""
