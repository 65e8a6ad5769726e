"""Run a Dask cluster of two workers on this machine, until Ctrl-C. Each runs two stacks at once."""

import signal

from distributed import LocalCluster

if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=2, scheduler_port=8786, dashboard_address="127.0.0.1:0") as cluster:
        print(cluster.scheduler_address, flush=True)
        signal.pause()
