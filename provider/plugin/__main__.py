"""What the engine runs, in an environment that it has made from requirements.txt."""

from pulumi_instances.native.server import main

main()
