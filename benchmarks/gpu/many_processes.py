"""A program that does nothing but start its runtime in as many processes as SENTIMENT_PROCESSES says."""

from sentiment.model.runtime import start_runtime
from sentiment.model.together import processes
from sentiment.terminal.errors import run_main


def main() -> None:
    """Start the runtime and print which process this is."""
    if not processes.launch("benchmarks.gpu.many_processes"):
        start_runtime("auto")
        print(f"process {processes.rank()} of {processes.count()} runs")


if __name__ == "__main__":
    run_main(main)
