"""What params.yaml says of the training: the section train."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sentiment.core.section import Revision, Section


class TrainParameters(Section):
    """What the train stage reads, beside `seed`."""

    model: str = Field(min_length=1, description="a Hub id, encoders/NAME (`python -m sentiment fetch --model PATH`), or package:NAME")
    model_revision: Revision = Field(description="commit, tag or branch of a Hub model")
    head: Literal["new", "keep"] = Field(
        description="new: a classification head is drawn; keep: the one the encoder has, its classes mapped by name to `prepare.class_names`"
    )
    max_length: int = Field(ge=8, description="tokens a text is cut to, special tokens included")
    truncation: Literal["head", "tail", "head_tail"] = Field(
        description="which part of a long text is kept (head_tail: the first quarter and the end)"
    )
    lr: float = Field(gt=0.0, le=1.0, description="peak learning rate of AdamW")
    batch_size: int = Field(ge=1, description="examples a step, over all processes and accumulated micro-batches")
    gradient_accumulation_steps: int = Field(
        ge=1, description="micro-batches a step is computed in: less memory, the same update; divides `batch_size`"
    )
    epochs: int = Field(ge=1, description="passes over the training set")
    weight_decay: float = Field(ge=0.0, le=1.0, description="AdamW's decoupled decay (not on biases and LayerNorm)")
    lr_scheduler: Literal["linear", "cosine", "constant", "constant_with_warmup"] = Field(description="how the learning rate falls after warm-up")
    warmup: float = Field(ge=0.0, lt=1.0, description="share of all steps in which the learning rate rises from 0")
    max_grad_norm: float = Field(gt=0.0, description="gradients are clipped to this norm")
    label_smoothing: float = Field(ge=0.0, lt=1.0, description="share of the target spread over all classes")
    class_weights: Literal["balanced"] | None = Field(
        description="null, or balanced: each class weighs n / (classes × its rows) in the training loss"
    )
    early_stopping_patience: Annotated[int, Field(ge=1)] | None = Field(
        description="stop after this many evaluations without a lower validation loss"
    )
    keep: Literal["last", "best"] = Field(description="which epoch's model is kept (best: lowest validation loss)")
    precision: Literal["auto", "fp32", "bf16"] = Field(description="auto: bf16 autocast where the hardware is faster with it")
    batching: Literal["group_by_length", "random"] = Field(description="how training batches are composed")

    @model_validator(mode="after")
    def _check_accumulation(self) -> "TrainParameters":
        if self.batch_size % self.gradient_accumulation_steps:
            raise ValueError(f"batch_size ({self.batch_size}) must be a multiple of gradient_accumulation_steps ({self.gradient_accumulation_steps})")
        return self
