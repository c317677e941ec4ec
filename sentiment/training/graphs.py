"""Whole training steps as CUDA graphs: forward, backward, clipping and update replayed by one call of the host.

A BERT step is more than a thousand small kernels. Launched one by one from Python they take longer than they run;
a graph is launched at once. A graph holds for one shape of the inputs, so lengths are brought up to a few
(`sentiment.model.tokens.length_step`). The first step of a shape runs eagerly, which makes the libraries ready; the
second one is recorded, and from then on replayed. The kernels, their order and the random numbers are the same.

Eager and recorded steps use one stream. Autograd's nodes that accumulate a weight's gradient keep the stream they were
made on; one that outlives an eager step would make a recording on another stream fail.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

Inputs = Mapping[str, torch.Tensor]
Outputs = tuple[torch.Tensor, ...]
_Shape = tuple[tuple[str, torch.Size, torch.dtype], ...]


class GraphedStep:
    """A step that is recorded once for each shape of its inputs, and replayed.

    Parameters
    ----------
    step : callable
        From inputs on the GPU to tensors on the GPU. It must not wait for the GPU, keep no tensor that
        it made, and do the same whenever it is called with the same shapes.
    """

    def __init__(self, step: Callable[[Inputs], Outputs]) -> None:
        self._step = step
        self._seen: set[_Shape] = set()
        self._recorded: dict[_Shape, tuple[torch.cuda.CUDAGraph, Inputs, Outputs]] = {}
        self._pool: Any = None
        self._stream: torch.cuda.Stream | None = None

    @property
    def shapes(self) -> int:
        """How many shapes have been recorded."""
        return len(self._recorded)

    def forget(self) -> None:
        """Drop what is recorded, and with it its memory."""
        self._recorded.clear()
        self._pool = None

    def __call__(self, inputs: Inputs) -> Outputs:
        """Take a step and return what it returned, as tensors of their own."""
        shape = tuple((name, tensor.shape, tensor.dtype) for name, tensor in inputs.items())
        if shape not in self._seen:
            self._seen.add(shape)
            return self._run(inputs)
        if shape not in self._recorded:
            self._recorded[shape] = self._record(inputs)
        graph, places, outputs = self._recorded[shape]
        for name, tensor in inputs.items():
            places[name].copy_(tensor, non_blocking=True)
        graph.replay()
        return tuple(output.clone() for output in outputs)  # the next graph may use their memory

    def _run(self, inputs: Inputs) -> Outputs:
        if self._stream is None:
            self._stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        now = torch.cuda.current_stream()
        self._stream.wait_stream(now)
        with torch.cuda.stream(self._stream):
            outputs = self._step(inputs)
        now.wait_stream(self._stream)
        return tuple(output.clone() for output in outputs)

    def _record(self, inputs: Inputs) -> tuple[torch.cuda.CUDAGraph, Inputs, Outputs]:
        places = {name: tensor.clone() for name, tensor in inputs.items()}
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, stream=self._stream, capture_error_mode="thread_local"):  # other threads may use the GPU
            outputs = self._step(places)
        self._pool = graph.pool()  # one after another they share their memory
        return graph, places, outputs


class DeviceRates:
    """The learning rates of an optimizer, where a recorded update reads them.

    The scheduler goes on setting numbers in the optimizer's groups; `refresh` brings them to the GPU.

    Parameters
    ----------
    optimizer : torch.optim.AdamW
        A fused one.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._rates = [torch.zeros((), device=group["params"][0].device) for group in optimizer.param_groups]

    def refresh(self) -> None:
        """Bring the rates of this step to the GPU; outside of what is recorded."""
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            rate.fill_(group["lr"])

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Let the optimizer read the rates on the GPU while the block runs."""
        groups = self._optimizer.param_groups
        kept = [{name: group.get(name) for name in ("lr", "capturable")} for group in groups]
        for group, rate in zip(groups, self._rates, strict=True):
            group.update(lr=rate, capturable=group["capturable"] or (rate.is_cuda and torch.cuda.is_current_stream_capturing()))
        try:
            yield
        finally:
            for group, values in zip(groups, kept, strict=True):
                group.update(values)


def compile_layers(model: torch.nn.Module) -> Callable[[], None]:
    """Let torch generate kernels for the layers of an encoder while it is in training: one compilation serves them all.

    Lengths and numbers of texts stay open, so that few shapes are compiled. The rest of the model, and its
    evaluation, are left as they are. What is returned undoes it.
    """
    # What is chosen by timing may be chosen otherwise next time.
    strict = torch.are_deterministic_algorithms_enabled() and not torch.is_deterministic_algorithms_warn_only_enabled()
    options: dict[str, str | int | bool | Callable[..., Any]] = {"deterministic": strict}
    stacks = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    layers = list(max(stacks, key=len, default=()))
    for layer in layers:
        layer.forward = _in_training(layer, torch.compile(layer.forward, dynamic=True, options=options), layer.forward)

    def undo() -> None:
        for layer in layers:
            del layer.forward

    return undo


def _in_training(layer: torch.nn.Module, compiled: Callable[..., Any], eager: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*arguments: Any, **named: Any) -> Any:
        return (compiled if layer.training else eager)(*arguments, **named)

    return forward
