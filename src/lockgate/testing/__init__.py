"""For your own test suite: does a definition say the same of a table and of one row? `import lockgate as lg; lg.testing`."""

from lockgate.testing.broken import ParityBroken
from lockgate.testing.hostile import hostile
from lockgate.testing.parity import Compared, assert_parity

__all__ = ["Compared", "ParityBroken", "assert_parity", "hostile"]
