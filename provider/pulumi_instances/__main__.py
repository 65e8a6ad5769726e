"""`python -m pulumi_instances`: the command line.

It works where the `bin` of the environment is not on PATH.
"""

from .cli import main

if __name__ == "__main__":
    main()
