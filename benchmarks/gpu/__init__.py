"""What has to be known of a GPU, in five parts. `python -m benchmarks.gpu --help` names them."""
