"""gensynth evaluate: the same as the console script's verb."""

import sys

from gensynth.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
