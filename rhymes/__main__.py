"""`python -m rhymes`: the command `rhymes` where none is installed."""

import sys

from rhymes.cli import main

if __name__ == "__main__":
    sys.exit(main())
