"""python -m gensynth"""

from gensynth.cli import run

if __name__ == "__main__":
    run()
