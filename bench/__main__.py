"""`make bench`: everything, or the part named: `python -m bench gateway|product|sharing`."""

import sys
from pathlib import Path

from bench import gateway, product, sharing

PEER = Path(sys.prefix + "-litellm") / "bin" / "litellm"

if __name__ == "__main__":
    parts = sys.argv[1:] or ["gateway", "product", "sharing"]
    if "product" in parts:
        product.main()
    if "gateway" in parts:
        gateway.main(PEER)
    if "sharing" in parts:
        sharing.main()
