"""`python -m gateway.migrations [upgrade|current]`: the schema of the database of the settings."""

import argparse
import sys

from gateway.database import DatabaseUnusable, open_database
from gateway.migrations import HEAD, current, prepare
from gateway.settings import GatewaySettings
from services.runtime.environment import settings_of


def main() -> None:
    """Brings the schema up to date, or says at which version it is."""
    parser = argparse.ArgumentParser(prog="python -m gateway.migrations", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("upgrade", "current"), default="upgrade")
    what = parser.parse_args().what
    try:
        engine = open_database(settings_of(GatewaySettings).database_url)
        if what == "upgrade":
            prepare(engine)
        sys.stdout.write(f"{current(engine) or 'nothing'}, of {HEAD}\n")
    except DatabaseUnusable as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
