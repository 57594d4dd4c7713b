"""`python -m labmon` is the command `labmon`."""

from labmon.cli import main

if __name__ == "__main__":
    main()
