"""Where exported models are, and what lies in the folder of one."""

from pathlib import Path

EXPORT = Path("models/export")
MODEL = "model.onnx"
TOKENIZER = "tokenizer.json"
DESCRIPTION = "export.json"
REPORT = "report.json"
PAGE = "README.md"
EXTRA = "requirements-onnx.txt"
