"""`python -m pulumi_instances`: the command line, where the environment's `bin` is not on PATH."""

from .cli import main

if __name__ == "__main__":
    main()
