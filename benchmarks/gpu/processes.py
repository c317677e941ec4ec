"""A program that does nothing but start its runtime in as many processes as SENTIMENT_PROCESSES says."""

from sentiment import processes
from sentiment.errors import run_main
from sentiment.runtime import start_runtime


def main() -> None:
    """Start the runtime and print which process this is."""
    if not processes.launch("benchmarks.gpu.processes"):
        start_runtime("auto")
        print(f"process {processes.rank()} of {processes.count()} runs")


if __name__ == "__main__":
    run_main(main)
