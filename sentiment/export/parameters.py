"""What params.yaml says of the export: the section export."""

from typing import Literal

from pydantic import Field

from sentiment.core.section import Section


class ExportParameters(Section):
    """What the export stage writes."""

    formats: list[Literal["onnx", "onnx-int8"]] = Field(description="also write the model in these forms (`requirements-onnx.txt`)")
