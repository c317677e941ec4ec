"""Files as they come: each row of the table in docs/data.md that speaks of files is a case here."""

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentiment.cli.local_source import check_headers, local_files, plain_name, show_first_rows, unpacked
from sentiment.data.reading.delimited import Told
from sentiment.data.reading.encodings import check_encoding, encoding_of
from sentiment.data.reading.formats import read_rows
from sentiment.data.reading.manner import say_how
from sentiment.data.reading.raw_lines import UTF_8
from sentiment.data.reading.sources import SourceFile, find_files
from sentiment.terminal.errors import UserError

TEXTS = {
    "gb18030": "这家酒店的服务态度很好，房间也干净，下次还会再来。",
    "big5": "這家飯店的服務態度很好，房間也乾淨，下次還會再來。",
    "cp932": "とても良い映画でした。音楽も素晴らしかったです。",
    "euc_jp": "つまらない映画でした。音楽はとても良かったです。",
    "cp949": "영화가 정말 재미있었습니다. 다시 보고 싶어요.",
    "cp1252": "Das Essen war gut, der Kellner unhöflich – schade für so ein schönes Café; très déçu.",
    "cp1251": "Очень хороший фильм, смотрел с большим удовольствием.",
    "cp1250": "Bardzo dobry film, polecam każdemu. Świetna muzyka, żółć i gęś.",
    "cp1256": "فيلم رائع جدا أنصح بمشاهدته",
    "cp1254": "Çok güzel bir filmdi, kesinlikle öneririm. Oyunculuk şahane, ışık.",
    "utf-16": "a plain film",
    "utf-16-le": "a plain film",
    "utf-8-sig": "naïve, but très beau",
    "utf-8": "naïve 好 😀",
}


def values(path: Path, told: Told | None = None) -> list[dict[str, Any]]:
    return [row.values for row in read_rows(path, told=told or Told())]


def delimited(text: str, delimiter: str = ",") -> str:
    quoted = '"' + text.replace('"', '""') + '"'
    return "".join(delimiter.join(cells) + "\n" for cells in (["label", "text"], ["pos", quoted], ["neg", f'"{text}!"']))


@pytest.mark.parametrize("encoding", TEXTS)
def test_the_encoding_is_found_out(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(delimited(TEXTS[encoding]).encode(encoding))
    assert [row["text"] for row in values(path)] == [TEXTS[encoding], TEXTS[encoding] + "!"]


def test_an_encoding_can_be_named_and_few_bytes_are_no_evidence(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(delimited("one café").encode("cp1252"))
    with pytest.raises(UserError, match=r"a.csv, line 2: not UTF-8 \(byte .*--encoding NAME"):
        values(path)
    assert values(path, Told(encoding="cp1252"))[0]["text"] == "one café"
    with pytest.raises(UserError, match="no encoding of that name"):
        check_encoding("utf-9")
    with pytest.raises(UserError, match="not ascii"):
        values(path, Told(encoding="ascii"))


def test_utf_8_with_damage_stays_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(delimited("naïve très beau " * 20).encode() + b"neg,caf" + b"\xe9\n")
    assert encoding_of(path) == UTF_8


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=80))
def test_utf_8_is_never_taken_for_another(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("x") / "a.txt"
    path.write_text(text, encoding="utf-8")
    assert encoding_of(path) == UTF_8


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_the_delimiter_is_found_out_and_said(tmp_path: Path, delimiter: str, suffix: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_text(delimited("one, two; three | four", delimiter), encoding="utf-8")
    assert values(path)[0] == {"label": "pos", "text": "one, two; three | four"}
    said = say_how("fetch", [SourceFile(path, "all")], path, Told(), "--encoding NAME")
    assert bool(said) == (delimiter != {".csv": ",", ".tsv": "\t"}[suffix])


def test_a_header_as_spreadsheets_write_it(tmp_path: Path) -> None:
    path = tmp_path / "spam.csv"
    path.write_text(' Label,v2,,\nham,"hi, there",,\nspam,win\nham,more,x,\nham,trailing,,,,\n', encoding="utf-8")
    assert values(path) == [
        {"Label": "ham", "v2": "hi, there", "column_3": "", "column_4": ""},
        {"Label": "spam", "v2": "win", "column_3": None, "column_4": None},
        {"Label": "ham", "v2": "more", "column_3": "x", "column_4": ""},
        {"Label": "ham", "v2": "trailing", "column_3": "", "column_4": ""},
    ]


def test_quotation_marks_of_a_tsv_that_quote_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text('text\tlabel\n"Great" they said\t1\n"never closed\t0\nplain\t1\n', encoding="utf-8")
    assert [row["text"] for row in values(path)] == ['"Great" they said', '"never closed', "plain"]
    path.write_text('text\tlabel\n"two\nlines"\t1\n"say ""hi"""\t0\n', encoding="utf-8")
    assert [row["text"] for row in values(path)] == ["two\nlines", 'say "hi"']


@pytest.mark.parametrize("first", ["0,I did not like it at all", "pos,fine", "x," + "long " * 20])
def test_a_file_without_header_is_asked_about_and_read_when_told(tmp_path: Path, first: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([first, "pos,good", "neg,bad", "pos,nice", "neg,poor"]), encoding="utf-8")
    with pytest.raises(UserError, match=r"a.csv, line 1: is it a header\? .* add --no-header"):
        check_headers([SourceFile(path, "all")], Told())
    rows = values(path, Told(header=False))
    assert len(rows) == 5 and list(rows[0]) == ["column_1", "column_2"]
    assert say_how("fetch", [SourceFile(path, "all")], path, Told(header=False), "--encoding NAME") == {"a.csv": "without a header"}
    assert say_how("fetch", [SourceFile(path, "all")], path, Told(header=True), "--encoding NAME") == {}


JSON = [
    [{"text": "a", "label": "pos"}, {"text": "b", "label": "neg"}],
    {"version": 1, "rows": [{"text": "a", "label": "pos"}, {"text": "b", "label": "neg"}]},
    [
        {"id": 7, "data": {"text": "a"}, "annotations": [{"result": [{"value": {"choices": ["pos"]}}]}]},
        {"id": 8, "data": {"text": "b"}, "annotations": [{"result": [{"value": {"choices": ["neg"]}}]}]},
    ],
]


@pytest.mark.parametrize("content", JSON, ids=["array", "object with an array", "Label Studio"])
def test_json_of_several_shapes(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps(content, indent=1), encoding="utf-8")
    assert [(row["text"], row["label"]) for row in values(path)] == [("a", "pos"), ("b", "neg")]


def test_json_lines_in_a_json_file_and_what_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text('{"text": "a", "label": ["pos"]}\n{"text": "b", "label": ["neg"]}\n', encoding="utf-8")
    assert [row["label"] for row in values(path)] == [["pos"], ["neg"]]
    path.write_text('[{"text": "a"},\n {"text": }]', encoding="utf-8")
    with pytest.raises(UserError, match=r"a.json, line 2, column 11: not JSON"):
        values(path)
    path.write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(UserError, match=r"a.json, item 1: must be an object"):
        values(path)


def test_a_spreadsheet(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in (["text", "label", None], ["gut", 1, None], [None, None, None], ["schlecht", 0.0, "x"]):
        book.active.append(row)
    book.save(tmp_path / "a.xlsx")
    assert values(tmp_path / "a.xlsx") == [{"text": "gut", "label": 1, "column_3": None}, {"text": "schlecht", "label": 0, "column_3": "x"}]
    (tmp_path / "b.xlsx").write_bytes(b"no sheet")
    with pytest.raises(UserError, match="not a readable xlsx file"):
        values(tmp_path / "b.xlsx")


def test_folders_of_classes_below_folders_of_splits(tmp_path: Path) -> None:
    for split in ("20news-bydate-train", "20news-bydate-test"):
        for name in ("alt.atheism", "sci.space"):
            folder = tmp_path / split / name
            folder.mkdir(parents=True)
            (folder / "51121").write_text(f"a text of {name}", encoding="utf-8")
    files, _ = find_files(tmp_path, "source")
    assert [(file.split, row["label"]) for file in files for row in values(file.path)] == [
        ("test", "alt.atheism"),
        ("test", "sci.space"),
        ("train", "alt.atheism"),
        ("train", "sci.space"),
    ]


def test_a_text_file_of_lines_for_each_class(tmp_path: Path) -> None:
    (tmp_path / "pos.txt").write_text("很好\n\n不错\n", encoding="utf-8")
    (tmp_path / "neg.txt").write_text("太差\n", encoding="utf-8")
    files, _ = find_files(tmp_path, "source")
    assert [(row["text"], row["label"]) for file in files for row in values(file.path)] == [("太差", "neg"), ("很好", "pos"), ("不错", "pos")]


def test_an_archive_and_the_first_rows_of_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with zipfile.ZipFile(tmp_path / "IMDB Dataset.csv.zip", "w") as archive:
        archive.writestr("IMDB Dataset.csv", "review;sentiment\ngut;positive\n")
        archive.writestr("__MACOSX/._IMDB Dataset.csv", "x")
    with unpacked(tmp_path / "IMDB Dataset.csv.zip") as there:
        show_first_rows(local_files(there, None), Told())
    assert "2: review = 'gut', sentiment = 'positive'" in capsys.readouterr().out


def test_types_and_roles_below_the_header_of_an_orange_table_are_no_rows(tmp_path: Path) -> None:
    table = "Category\tText\nd\tstring\nclass\t\ncocoa\tBahia showers\n\nc\ti\n"
    (tmp_path / "a.tab").write_text(table, encoding="utf-8")
    assert [(row.number, row.values) for row in read_rows(tmp_path / "a.tab")] == [
        (4, {"Category": "cocoa", "Text": "Bahia showers"}),
        (6, {"Category": "c", "Text": "i"}),
    ]
    (tmp_path / "a.tsv").write_text(table, encoding="utf-8")
    assert len(list(read_rows(tmp_path / "a.tsv"))) == 4
    (tmp_path / "b.tab").write_text("text\tlabel\nd\tc\ngood\tpos\n", encoding="utf-8")
    assert next(read_rows(tmp_path / "b.tab")).number == 3  # types alone: the roles may be missing


def tarball(path: Path, name: str, content: bytes) -> Path:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    with tarfile.open(path, f"w:{path.suffix[1:]}" if path.suffix in (".gz", ".bz2", ".xz") else "w") as archive:
        archive.addfile(member, io.BytesIO(content))
    return path


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tar.bz2", ".tar.xz"])
def test_a_tar_archive_is_read_as_what_is_in_it(tmp_path: Path, suffix: str) -> None:
    with unpacked(tarball(tmp_path / f"reviews{suffix}", "reviews/train.csv", b"text,label\ngood,1\n")) as there:
        (file,) = local_files(there, None)
        assert (file.split, list(values(file.path))) == ("train", [{"text": "good", "label": "1"}])


@pytest.mark.parametrize("name", ["bad.zip", "bad.tar.gz", "bad.tgz", "bad.tar"])
def test_a_damaged_archive_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"PK nothing")
    with pytest.raises(UserError, match=f"{name}: cannot be unpacked"), unpacked(tmp_path / name):
        pass


def test_an_archive_writes_nothing_outside_of_its_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be unpacked"), unpacked(tarball(tmp_path / "a.tar.gz", "../../planted.csv", b"x")):
        pass


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("IMDB Dataset.csv", "IMDB-Dataset"),
        ("外卖.csv", "外卖"),
        ("reviews.v1.csv", "reviews.v1"),
        ("reviews.v2.jsonl.gz", "reviews.v2"),
        ("aclImdb", "aclImdb"),
        ("a.csv.zip", "a"),
        ("reviews.v2.tar.gz", "reviews.v2"),
        ("reviews.tgz", "reviews"),
    ],
)
def test_a_name_keeps_its_script_and_its_version(file: str, name: str) -> None:
    assert plain_name(Path(file)) == name


def test_without_a_header_the_delimiter_is_the_one_of_most_rows(tmp_path: Path) -> None:
    path = tmp_path / "validation.tsv"
    rows = [
        "audio\t" + "a, long, text, with, commas, and no tab that is no delimiter, " * 3,
        *(f"images\ta photo {n}" for n in range(5)),
        "text\tone, two",
    ]
    path.write_text("\n".join([*rows, ""]), encoding="utf-8")
    read = values(path, Told(header=False))
    assert [set(row) for row in read] == [{"column_1", "column_2"}] * 7
    assert [row["column_1"] for row in read] == ["audio", *["images"] * 5, "text"]
    assert say_how("fetch", [SourceFile(path, "all")], path, Told(header=False), "--encoding NAME") == {"validation.tsv": "without a header"}
