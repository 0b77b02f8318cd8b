"""`make bench`: everything, or the part named: `python -m bench gateway|product`."""

import sys
from pathlib import Path

from bench import gateway, product

PEER = Path(sys.prefix + "-litellm") / "bin" / "litellm"

if __name__ == "__main__":
    parts = sys.argv[1:] or ["gateway", "product"]
    if "product" in parts:
        product.main()
    if "gateway" in parts:
        gateway.main(PEER)
