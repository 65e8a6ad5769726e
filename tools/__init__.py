"""What the Makefile runs beside other people's tools. No part of the distribution."""

import os

# gRPC's core writes to stderr when a provider process ends before its connection does.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
