"""JSON of several shapes: lines, one array, an object that holds one, and what labelling tools export."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sentiment.data.reading.encodings import encoding_of
from sentiment.data.reading.raw_lines import DAMAGED, Bad, damaged, lines_of, open_raw
from sentiment.terminal.errors import UserError


def read_json_lines(path: Path, bad: Bad, encoding: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number and the object of each line; blank lines are passed over, `bad` gets what is no object."""
    for number, line in lines_of(path, bad, encoding or encoding_of(path)):
        if not line.strip():
            continue
        try:
            values = json.loads(line)
        except json.JSONDecodeError as error:
            bad(UserError(f"{path}, line {number}: not JSON ({error.msg}, column {error.colno})"))
        except (RecursionError, ValueError):
            bad(UserError(f"{path}, line {number}: not JSON that can be read (nested too deeply, or a number of thousands of digits)"))
        else:
            if isinstance(values, dict):
                yield number, values
            else:
                bad(UserError(f"{path}, line {number}: must be a JSON object with named fields, is {type(values).__name__}"))


def read_json_file(path: Path, bad: Bad, encoding: str | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, from 1, and the fields of each object of a ``.json`` file.

    The file holds an array of objects, an object with one such array in it, or, in spite of its name, an object a line.
    A task of Label Studio gives the fields of its data and the choice of its first annotation as ``label``.
    """
    name = encoding or encoding_of(path)
    try:
        with open_raw(path) as file:
            content = json.loads(file.read().decode("utf-8-sig" if name == "utf-8" else name))
    except DAMAGED as error:
        raise damaged(path, error) from None
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: not {name} (byte {error.start} of the file): name its encoding: python -m sentiment fetch --encoding NAME"
        ) from None
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise UserError(f"{path}, line {error.lineno}, column {error.colno}: not JSON ({error.msg})") from None
        yield from read_json_lines(path, bad, encoding)
        return
    except (RecursionError, ValueError):
        raise UserError(f"{path}: not JSON that can be read (nested too deeply, or a number of thousands of digits)") from None
    for number, item in enumerate(_items(content, path), start=1):
        if isinstance(item, dict):
            yield number, _of_label_studio(item) or item
        else:
            bad(UserError(f"{path}, item {number}: must be an object with named fields, is {type(item).__name__}"))


def _items(content: Any, path: Path) -> list[Any]:
    if isinstance(content, list):
        return content
    if isinstance(content, dict):
        arrays = [value for value in content.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
        if len(arrays) == 1:
            return list(arrays[0])
        if any(isinstance(value, str) for value in content.values()):
            return [content]
    raise UserError(f"{path}: neither an array of objects nor an object that holds one: write a row an object, [{{...}}, {{...}}]")


def _of_label_studio(item: dict[str, Any]) -> dict[str, Any] | None:
    data, annotations = item.get("data"), item.get("annotations", item.get("completions"))
    if not isinstance(data, dict) or not isinstance(annotations, list):
        return None
    results = annotations[0].get("result", []) if annotations and isinstance(annotations[0], dict) else []
    choices = [choice for result in results for choice in result.get("value", {}).get("choices", [])]
    label = choices[0] if len(choices) == 1 else choices or None
    return {**{key: value for key, value in data.items() if not isinstance(value, dict | list)}, "label": label, "id": item.get("id")}
