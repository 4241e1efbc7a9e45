"""gensynth explore: the same as the console script's verb."""

import sys

from gensynth.cli import main

if __name__ == "__main__":
    sys.exit(main(["explore", *sys.argv[1:]]))
