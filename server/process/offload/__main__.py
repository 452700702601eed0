"""The program of a worker process: `child`."""

import sys

from server.process.offload.child import main

main(sys.argv[1], int(sys.argv[2]))
