"""The program of a worker process: `work_loop`."""

import sys

from server.process.offload.work_loop import main

main(sys.argv[1], int(sys.argv[2]))
