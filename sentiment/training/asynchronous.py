"""A Trainer whose host never waits for a GPU within a step, and which can give the GPU whole steps at once.

transformers' Trainer reads loss, gradient norm and the number of tokens at each step: the host then waits until
the GPU has done all it was given, and the GPU for the host's next step. Here they stay on the device, and are
read some steps later, all at once: the entries of the log are the same, bit for bit.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from transformers import Trainer, TrainerControl
from transformers.trainer_pt_utils import nested_gather

from sentiment.model.flash import CUDA_ATTENTION
from sentiment.model.runtime import Runtime
from sentiment.model.together import processes
from sentiment.training.graphs import DeviceRates, GraphedStep, Inputs, Outputs, compile_layers

_READ_EVERY = {"cuda": 16}  # steps: some tenths of a second, in which the progress bar rests
_NUM_ITEMS = "num_items_in_batch"


@dataclass(frozen=True)
class _Unread:
    """What a step's log entry needs; loss and norm are on the device, if the norm is a tensor."""

    step: int
    epoch: float
    tokens: int
    rate: float
    loss: torch.Tensor
    norm: torch.Tensor


class AsynchronousTrainer(Trainer):
    """See the module. `run_on` has to be called before `train`; `step` then says how steps are given to the device."""

    control: TrainerControl
    optimizer: Any
    _globalstep_last_logged: int

    def run_on(self, runtime: Runtime) -> None:
        """Choose the device and how it is given a step."""
        self._read_every = _READ_EVERY.get(runtime.device, 1)
        self._unread: list[_Unread] = []
        self._parameters = int(self.model.num_parameters(exclude_embeddings=True))
        self._norm: torch.Tensor | None = None
        self.step = runtime.step if self._can_be_recorded() else "eager"
        self._graphed = None if self.step == "eager" else GraphedStep(self._whole_step)
        self._rates: DeviceRates | None = None

    def _can_be_recorded(self) -> bool:
        # Other attention asks the GPU whether it needs a mask; the gradients of micro-batches are added up between steps.
        return bool(self.model.config._attn_implementation == CUDA_ATTENTION and self.args.gradient_accumulation_steps == 1)

    def train(self, *arguments: Any, **named: Any) -> Any:
        """Train, and leave the model as it was but for its weights."""
        with ExitStack() as stack:
            if self.step == "compiled":
                stack.callback(compile_layers(self.model))
            return super().train(*arguments, **named)

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> torch.Tensor:
        """Take a step; a recorded one clips and updates as well, and leaves no gradients for Trainer to do that with."""
        if self._graphed is None:
            loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
            return loss
        if self._rates is None:
            self._rates = DeviceRates(self._bare_optimizer)
        self._rates.refresh()
        loss, norm = self._graphed({**inputs, _NUM_ITEMS: num_items_in_batch})
        self._norm = norm
        return loss

    def _whole_step(self, inputs: Inputs) -> Outputs:
        assert self._rates is not None
        rest = dict(inputs)
        loss = super().training_step(self.model_wrapped, rest, rest.pop(_NUM_ITEMS))
        norm = super()._clip_grad_norm(self.model_wrapped)
        with self._rates.in_place():
            self._bare_optimizer.step()
        self.model_wrapped.zero_grad()
        return loss, norm

    @property
    def _bare_optimizer(self) -> torch.optim.Optimizer:
        bare: torch.optim.Optimizer = getattr(self.optimizer, "optimizer", self.optimizer)  # without accelerate's wrapping
        return bare

    def _clip_grad_norm(self, model: Any) -> Any:
        return super()._clip_grad_norm(model) if self._graphed is None else self._norm

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Count a step's operations as Trainer does, without counting the parameters anew each time."""
        tokens: int = inputs["input_ids"].numel()
        return 6 * tokens * self._parameters

    def _track_num_input_tokens(self, inputs: dict[str, Any]) -> None:
        if processes.count() > 1:
            super()._track_num_input_tokens(inputs)
        else:  # the host knows it
            self.state.num_input_tokens_seen += inputs["input_ids"].numel()

    def _maybe_log_save_evaluate(
        self,
        tr_loss: torch.Tensor,
        grad_norm: torch.Tensor | float | None,
        model: Any,
        trial: Any,
        epoch: float,
        ignore_keys_for_eval: list[str] | None,
        start_time: float,
        learning_rate: float | None = None,
    ) -> None:
        if self.control.should_log and self.state.global_step > self._globalstep_last_logged:
            self._keep(tr_loss, grad_norm, self._get_learning_rate() if learning_rate is None else learning_rate)
            tr_loss -= tr_loss
            self._globalstep_last_logged = self.state.global_step
        if len(self._unread) >= self._read_every or self.control.should_evaluate or self.control.should_save:
            self._read(start_time)
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, model, trial, epoch, ignore_keys_for_eval, start_time, learning_rate)

    def _keep(self, tr_loss: torch.Tensor, grad_norm: torch.Tensor | float | None, rate: float) -> None:
        loss = nested_gather(tr_loss, self.args.parallel_mode).mean().clone()  # over all processes
        norm = torch.as_tensor(grad_norm, device=loss.device)
        state = self.state
        self._unread.append(_Unread(state.global_step, float(state.epoch or 0.0), state.num_input_tokens_seen, rate, loss, norm))

    def _read(self, start_time: float) -> None:
        unread, self._unread = self._unread, []
        if not unread:
            return
        values = torch.stack([value for entry in unread for value in (entry.loss.double(), entry.norm.double())]).tolist()
        state = self.state
        now = state.global_step, state.epoch, state.num_input_tokens_seen
        self.store_flos()
        for entry, loss, norm in zip(unread, values[::2], values[1::2], strict=True):
            state.global_step, state.epoch, state.num_input_tokens_seen = entry.step, entry.epoch, entry.tokens
            self._total_loss_scalar += loss
            self.log({"loss": loss, "grad_norm": norm, "learning_rate": entry.rate}, start_time)
        state.global_step, state.epoch, state.num_input_tokens_seen = now
