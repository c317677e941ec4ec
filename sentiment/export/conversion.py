"""Writing a trained classifier as ONNX: exported by torch, fused by onnxruntime where it knows the family, quantised where asked for."""

import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sentiment.export.description import Description, write_description
from sentiment.export.paths import EXTRA, MODEL, TOKENIZER
from sentiment.model.loading import be_quiet
from sentiment.model.text_settings import read_text_settings
from sentiment.model.trained.temperature import read_temperature
from sentiment.terminal.errors import UserError, error_line

QUANTISED = "onnx-int8"
_OPSET = 17
_SAMPLE = ["a film", "a good film, and a story that stays"]  # two lengths, so that there is padding to trace


def check_extra() -> None:
    """Refuse in one line where the packages for ONNX are not installed."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as error:
        raise UserError(f"export.formats: {error.name} is not installed: pip install -r {EXTRA} -c constraints.txt") from None
    logging.getLogger(onnx.__name__).setLevel(logging.ERROR)


def export_classifier(classifier: Path, formats: Sequence[str], target: Path) -> list[Description]:
    """Write a classifier in each format to ``target/FORMAT``.

    Parameters
    ----------
    classifier : Path
        What the train stage wrote.
    formats : sequence of str
        Of onnx and onnx-int8.
    target : Path
        An existing folder.

    Returns
    -------
    list of Description
        One a format.

    Raises
    ------
    UserError
        Where the packages are missing, or torch cannot export the family.
    """
    check_extra()
    with tempfile.TemporaryDirectory() as name:
        graph, tokenizer, config = Path(name) / MODEL, *_trace(classifier, Path(name) / MODEL)
        fused = _fuse(graph, config)
        return [_write(classifier, graph, form, fused, tokenizer, config, target / form) for form in formats]


def _trace(classifier: Path, graph: Path) -> tuple[Any, Any]:
    # The exporter of TorchScript with plain attention: onnxruntime recognises the layers of its graph, not those of torch.export's.
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    be_quiet()
    only_here = {"local_files_only": True, "trust_remote_code": False}
    try:
        tokenizer = AutoTokenizer.from_pretrained(classifier, **only_here)
        model = AutoModelForSequenceClassification.from_pretrained(
            classifier, attn_implementation="eager", dtype=torch.float32, use_safetensors=True, **only_here
        )
    except Exception as error:  # the files may be anything: whatever the libraries raise
        raise UserError(f"{classifier}: the model cannot be loaded ({error_line(str(error))}): `dvc repro train` makes it anew") from None
    batch = tokenizer(_SAMPLE, padding=True, return_tensors="pt")
    names = list(batch)

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(**dict(zip(names, tensors, strict=True))).logits

    axes = {**{name: {0: "texts", 1: "tokens"} for name in names}, "logits": {0: "texts"}}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Logits().eval(),
                tuple(batch[name] for name in names),
                str(graph),
                input_names=names,
                output_names=["logits"],
                dynamic_axes=axes,
                opset_version=_OPSET,
                dynamo=False,
            )
    except Exception as error:  # of any kind: the model's own code
        raise UserError(f"export.formats: torch cannot export a {model.config.model_type} model ({error_line(str(error))})") from None
    return tokenizer, model.config


def _fuse(graph: Path, config: Any) -> bool:
    # One operator for each attention and normalisation layer; where the family is not recognised the graph stays as it was traced.
    from onnxruntime.transformers.optimizer import optimize_model

    heads, width = getattr(config, "num_attention_heads", 0), getattr(config, "hidden_size", 0)
    try:
        optimised = optimize_model(str(graph), "bert", num_heads=heads or 0, hidden_size=width or 0)
    except Exception:  # the optimizer fails on graphs that it does not know in many ways
        return False
    found = optimised.get_fused_operator_statistics()
    if found["Attention"] < (getattr(config, "num_hidden_layers", None) or 1):
        return False
    optimised.save_model_to_file(str(graph))
    return True


def _write(classifier: Path, graph: Path, form: str, fused: bool, tokenizer: Any, config: Any, folder: Path) -> Description:
    import onnx

    folder.mkdir()
    settings = read_text_settings(classifier)
    description = Description(
        format=form,
        fused=fused,
        class_names=[str(config.id2label[index]) for index in range(config.num_labels)],
        pad_token_id=config.pad_token_id or 0,
        pad_token_type_id=tokenizer.pad_token_type_id,
        padding_side=tokenizer.padding_side,
        max_length=settings.max_length,
        truncation=settings.truncation,
        strip_html=settings.strip_html,
        temperature=read_temperature(classifier).value,
    )
    path = folder / MODEL
    if form == QUANTISED:
        _quantise(graph, path)
    else:
        shutil.copyfile(graph, path)
    model = onnx.load(path)
    onnx.helper.set_model_props(model, {key: json.dumps(value, ensure_ascii=False) for key, value in description.as_metadata().items()})
    onnx.save(model, path)
    write_description(folder, description)
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.save(str(folder / TOKENIZER))
    return description


def _quantise(graph: Path, path: Path) -> None:
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic

    logging.getLogger().addFilter(_no_advice)
    try:
        quantize_dynamic(graph, path, weight_type=QuantType.QInt8, per_channel=True, extra_options={"DefaultTensorType": TensorProto.FLOAT})
    finally:
        logging.getLogger().removeFilter(_no_advice)


def _no_advice(record: logging.LogRecord) -> bool:
    return "pre-processing before quantization" not in record.getMessage()
