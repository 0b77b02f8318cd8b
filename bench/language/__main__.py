"""`python -m bench.language`: everything, or parts, see `suite.PARTS`."""

import sys

from bench.language.suite import PARTS, main

if __name__ == "__main__":
    main(tuple(sys.argv[1:]) or PARTS)
