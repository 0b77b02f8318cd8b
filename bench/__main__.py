"""`make bench`: everything, or parts: `python -m bench gateway|product|sharing|overhead`."""

import sys
from pathlib import Path

from bench import gateway, overhead, product, sharing

PEER = Path(sys.prefix + "-litellm") / "bin" / "litellm"

if __name__ == "__main__":
    parts = sys.argv[1:] or ["gateway", "product", "sharing", "overhead"]
    if "product" in parts:
        product.main()
    if "gateway" in parts:
        gateway.main(PEER)
    if "sharing" in parts:
        sharing.main()
    if "overhead" in parts:
        overhead.main()
