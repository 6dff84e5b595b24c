"""A text file is read whole, in any of its usual forms, or refused with the line, the column and the content that
cannot be read.
"""

import csv
import warnings

import numpy as np
import pytest

from modelcollapse import datasets

ROWS = [[1.5, 2.0], [-3.0, 4e3], [0.25, 6.0]]
PLAIN = "1.5,2\n-3,4e3\n.25,6\n"
READ = {
    "commas": PLAIN,
    "no newline at the end": PLAIN.rstrip("\n"),
    "blank lines": "\n" + PLAIN.replace("\n", "\n\n"),
    "Windows": PLAIN.replace("\n", "\r\n"),
    "old Mac": PLAIN.replace("\n", "\r"),
    "header": "a,b\n" + PLAIN,
    "header, old Mac": "a,b\r" + PLAIN.replace("\n", "\r"),
    "quotes": '"a","b, c"\n"1.5","2"\n-3,"4e3"\n.25,6\n',
    "quoted line break": '"a\nb",c\n' + PLAIN,
    "spaces after commas": PLAIN.replace(",", ", "),
    "semicolons": PLAIN.replace(",", ";"),
    "tabs": PLAIN.replace(",", "\t"),
    "bars": PLAIN.replace(",", "|"),
    "spaces": PLAIN.replace(",", " "),
    "columns of spaces": "  a      b\n  1.5    2\n -3    4e3 \n  .25   6\n",
    "a column without a name": "a,\n" + PLAIN,
}
FAULTY_FIRST = ("1.234,5", "1_0", "12kg", "$5", "5%", "2020-01-01", "oops", "*")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le with mark", "utf-16-be with mark")


@pytest.fixture
def file(tmp_path):
    def write(content, encoding="utf-8"):
        path = tmp_path / "given.csv"
        mark = "\ufeff" if encoding.endswith("with mark") else ""
        path.write_bytes(content if isinstance(content, bytes) else (mark + content).encode(encoding.split()[0]))
        return path

    return write


@pytest.mark.parametrize("form", READ)
def test_rows_are_the_same_in_every_form(form, file):
    rows, names = datasets.read_table(file(READ[form]))
    np.testing.assert_array_equal(rows, ROWS)
    assert rows.dtype == np.float64
    assert len(names) == 2


@pytest.mark.filterwarnings("ignore:.*numbers the|.*decimal points")
@pytest.mark.parametrize("names", [None, ["a", "b"]])
@pytest.mark.parametrize("index", [False, True])
def test_what_pandas_writes_comes_back(names, index, tmp_path):
    pandas = pytest.importorskip("pandas")
    rows = np.random.default_rng(3).normal(size=(12, 2)) * 10.0 ** np.arange(-6, 6)[:, None]
    frame, path = pandas.DataFrame(rows, columns=names), tmp_path / "given.csv"
    for sep, decimal in ((",", "."), (";", "."), (";", ","), ("\t", ","), ("|", "."), (" ", ".")):
        for encoding, quoting in (("utf-8", csv.QUOTE_MINIMAL), ("utf-16", csv.QUOTE_ALL)):
            for end in ("\n", "\r\n", "\r"):
                frame.to_csv(
                    path, sep=sep, decimal=decimal, index=index, encoding=encoding, quoting=quoting, lineterminator=end
                )
                np.testing.assert_array_equal(datasets.read_table(path)[0], rows)


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("header", ["", "größe,名\n"])
def test_rows_are_the_same_in_every_encoding(encoding, header, file):
    rows, names = datasets.read_table(file(header + PLAIN, encoding))
    np.testing.assert_array_equal(rows, ROWS)
    assert names == (("größe", "名") if header else ("1", "2"))


def test_an_encoding_can_be_named(file):
    assert datasets.read_table(file("größe\n1\n", "latin-1"), encoding="latin-1")[1] == ("größe",)
    np.testing.assert_array_equal(datasets.read_table(file(PLAIN, "utf-8-sig"), encoding="utf-8")[0], ROWS)
    with pytest.raises(ValueError, match="encoding must be one that Python knows, such as 'latin-1', got 'x-y'"):
        datasets.read_table(file(PLAIN), encoding="x-y")


def test_columns_are_chosen_by_name_or_number(file):
    path = file("a,kind,b\n1.5,x,2\n-3,y,4e3\n.25,x,6\n")
    for columns in (["a", "b"], ["1", "3"], ["a", "3"]):
        np.testing.assert_array_equal(datasets.read_table(path, columns)[0], ROWS)
    assert datasets.read_states(path, ["kind"]) == ["x", "y", "x"]
    np.testing.assert_array_equal(datasets.read_table(path, ["b", "a"])[0], np.array(ROWS)[:, ::-1])
    for wrong in ("c", "0", "4"):
        with pytest.raises(ValueError, match=f"must have one column '{wrong}'; its columns are 'a', 'kind', 'b'"):
            datasets.read_table(path, [wrong])


@pytest.mark.parametrize(
    ("content", "kept", "said"),
    [
        (",a\n0,1.5\n1,2.5\n", [[1.5], [2.5]], "the first column, unnamed, numbers the rows; it is left out"),
        ('"","a"\n"1",1.5\n"2",2.5\n', [[1.5], [2.5]], "unnamed, numbers the rows"),
        ("Unnamed: 0,a\n0,1.5\n1,2.5\n", [[1.5], [2.5]], "unnamed, numbers the rows"),
        ('"a" "b"\n"1" 1.5 7\n"2" 2.5 8\n', [[1.5, 7], [2.5, 8]], "unnamed, numbers the rows"),
        (",0,1\n0,1.5,7\n1,2.5,8\n", [[1.5, 7], [2.5, 8]], "unnamed, numbers the rows"),
        ("0,1\n1.5,7\n2.5,8\n", [[1.5, 7], [2.5, 8]], "the first line, 0, 1, numbers the columns; it is not a row"),
        ("a;b\n1,5;7\n2,25;8\n", [[1.5, 7], [2.25, 8]], "commas within numbers are read as decimal points"),
        ("1,5\t7\n2,25\t8\n", [[1.5, 7], [2.25, 8]], "commas within numbers are read as decimal points"),
    ],
)
def test_what_is_decided_is_said(content, kept, said, file):
    with pytest.warns(UserWarning, match=said):
        rows, _ = datasets.read_table(file(content))
    np.testing.assert_array_equal(rows, kept)


def test_what_looks_like_an_index_is_kept_where_it_may_be_data(file):
    for content, kept in (("i,a\n0,1.5\n1,2.5\n", 2), ("0,1\n1,7\n2,8\n", 2), (",a\n3,1.5\n1,2.5\n", 2)):
        assert datasets.read_table(file(content))[0].shape[1] == kept
    assert len(datasets.read_table(file("0,1\n1,7\n2,8\n"))[0]) == 3
    assert len(datasets.read_table(file("0,1\n1.5,7\n"), header=False)[0]) == 2
    assert datasets.read_table(file("2019,b\n1.5,7\n"), header=True)[1] == ("2019", "b")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("\n \n", "is empty"),
        (b"\x89PNG\r\n", "is not utf-8 text: byte 0x89 at position 0, in line 1"),
        (
            b"1,2\n3,\xe9\n",
            "byte 0xe9 at position 6, in line 2 .*save it as UTF-8, or name its encoding, such as latin-1",
        ),
        (b"1,2\n\x00\x01", "is not a text file: it has a zero byte at position 4"),
        (b"\xff\xfe1", "is not utf-16.* text"),
        ("1,\n3,5\n4,4\n", "line 1, column 2: a number is missing; fill it in"),
        ("a,b\n1,2\n3,\n4,4\n", r"line 3, column 2 \(b\): a number is missing"),
        ("a,b\n1,2\n3,NA\n4,4\n", r"line 3, column 2 \(b\): a number is missing \('NA'\)"),
        ("nan,2\n3,4\n4,4\n", r"line 1, column 1: a number is missing \('nan'\)"),
        ("a,b\n1,NA\n3,NA\n", r"line 2, column 2 \(b\): a number is missing \('NA'\)"),
        ("a\n1\n\n3\n", "line 3 is empty: a value is missing"),
        ("1,2\n3,inf\n", "line 2, column 2: 'inf' is not a finite number"),
        ("1,2\n3,1_0\n5,6\n", "line 2, column 2: '1_0' is not a finite number"),
        ("x\n1\n2\noops\n", r"line 4, column 1 \(x\): 'oops' is not a finite number"),
        ("1,2\n3,4,5\n", "line 2 has 3 cells and line 1 has 2, separated by commas: '3,4,5'"),
        ("1;2\n\n3\n4;5\n", "line 3 has 1 cells and line 1 has 2, separated by semicolons"),
        ("title\n1,2\n3,4\n", "line 2 has 2 cells and line 1 has 1"),
        ("# made by hand\n1,2\n2,4\n", "line 2 has 2 cells and line 1 has 1"),
        ('1,2\n3,"4\n5,6\n', r"line 2 cannot be read \(.*\): '3,\"4'"),
        ("a,kind,b\n1,x,2\n2,y,3\n", r"columns of numbers \(a, b\) and columns of text \(kind; line 2: 'x'\)"),
        ('"1,234","2"\n"5,678","3"\n', r"column 1: the comma in '1,234' may be a decimal comma or separate thousands"),
        ("1,234;2\n5,678;3\n", "may be a decimal comma or separate thousands"),
        ("1,5;2\n1.5;3\n", "line 2, column 1: '1.5' has a decimal point where other numbers, such as '1,5', have a"),
        ("1,5;2\n1.234,5;3\n2,5;4\n", "line 2, column 1: '1.234,5' is not a finite number"),
        *((f"{cell};2\n1;3\n", "may be a header or a faulty row; say whether") for cell in FAULTY_FIRST),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(content, message, file):
    with pytest.raises(ValueError, match=message) as refused:
        datasets.read_table(file(content))
    assert "given.csv" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "states"),
    [
        ("state\n0\n2\n2\n", [0, 2, 2]),
        ("0\n2\n2\n", [0, 2, 2]),
        ("10\n9\n10", [10, 9, 10]),
        ("3.0\n2\n3.0\n", [3, 2, 3]),
        (f"{2**70}\n-1\n", [1180591620717411303424, -1]),
        ("red\nblue\nred\n", ["red", "blue", "red"]),
        ('"New York, NY"\nBoston\nBoston\n"New York, NY"', ["New York, NY", "Boston", "Boston", "New York, NY"]),
        ("the\nthe\n2020", ["the", "the", "2020"]),
        ("1\nx\n1\n", ["1", "x", "1"]),
        ("red;blue;red", ["red", "blue", "red"]),
        ("日\n本\n日", ["日", "本", "日"]),
        (",state\n0,x\n1,y\n", ["x", "y"]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*unnamed, numbers the rows")
def test_states_are_whole_numbers_or_text(content, states, file):
    assert datasets.read_states(file(content)) == states


def test_a_word_for_missing_among_words_is_a_word_and_said(file):
    with pytest.warns(UserWarning, match="line 1, column 1: 'null' is read as a state, not as a missing one"):
        assert datasets.read_states(file("null\nNA\nnull")) == ["null", "NA", "null"]


def test_a_header_over_text_is_guessed_aloud_or_told(file):
    path = file("colour\nred\nblue\nred\n")
    with pytest.warns(
        UserWarning, match="the first line, colour, is taken for a header, since it does not occur again"
    ):
        assert datasets.read_states(path) == ["red", "blue", "red"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert datasets.read_states(path, header=True) == ["red", "blue", "red"]
        assert datasets.read_states(path, header=False) == ["colour", "red", "blue", "red"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("s\n1\n\n2\n", "line 3 is empty"),
        ("s,t\n1,2\n2,3\n", r"has 2 columns \(s, t\); states are one column: name it"),
        ("s\n1.5\n2\n", r"line 2, column 1 \(s\): states must be text or whole numbers, got '1.5'.*rows of a table"),
        ("s\n01\n1\n", r"line 3, column 1 \(s\): '1' and '01' are the same number"),
        ("s\n1\nNA\n2\n", r"line 3, column 1 \(s\): a state is missing \('NA'\)"),
        ('red\n""\nred\n', "line 2 is empty"),
    ],
)
def test_what_is_no_state_is_refused(content, message, file):
    with pytest.raises(ValueError, match=message):
        datasets.read_states(file(content))


@pytest.mark.parametrize(
    ("content", "states", "counts"),
    [
        ("word,count\nthe,500\nof,120\n", ["the", "of"], [500, 120]),
        ("the,500\nof,120\n", ["the", "of"], [500, 120]),
        ("500 the\n120 2020\n7 of\n".replace(" ", "\t"), ["the", "2020", "of"], [500, 120, 7]),
        ("count\n500\n120\n", [0, 1], [500, 120]),
        ("500\n120\n", [0, 1], [500, 120]),
        ("500,120,9", [0, 1, 2], [500, 120, 9]),
        ("the,of\n500,120\n", ["the", "of"], [500, 120]),
        (",count\n0,500\n1,120\n", [0, 1], [500, 120]),
        ('"","count"\n"1",500\n"2",120\n', [1, 2], [500, 120]),
        (",word,count\n0,the,500\n1,of,120\n", ["the", "of"], [500, 120]),
        ("state;n\n3;5.0\n7;1e3\n", [3, 7], [5, 1000]),
        (f"a,{2**53}\nb,0\n", ["a", "b"], [2**53, 0]),
    ],
)
@pytest.mark.filterwarnings("ignore:.*unnamed, numbers the rows")
def test_counts_are_pairs_or_a_column_or_a_row(content, states, counts, file):
    assert list(datasets.read_counts(file(content)).items()) == list(zip(states, counts, strict=True))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("w,c\na,5\nb,3\na,2\n", r"line 4, column 1 \(w\): the state 'a' has a count in line 2 already"),
        ("w,c\na,5\nb,2.5\n", r"line 3, column 2 \(c\): counts must be whole numbers from 0 to 2\*\*53, got '2.5'"),
        ("w,c\na,5\nb,-2\n", r"line 3, column 2 \(c\): counts must be whole numbers from 0"),
        ("w,c\na,5\nb,\n", r"line 3, column 2 \(c\): a number is missing"),
        ("w,c\na,5\n,7\n", r"line 3, column 1 \(w\): a state is missing"),
        (
            "a,b,c\n1,2,3\n4,5,6\n",
            r"has 3 columns \(a, b, c\); counts are a column of states and one of counts: name them",
        ),
        ("a,b,a\n1,2,3\n", "the state 'a' heads several columns of counts"),
        ("a,b\nc,d\nc,d\n", "is not a finite number"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*taken for a header")
def test_what_is_no_count_is_refused(content, message, file):
    with pytest.raises(ValueError, match=message):
        datasets.read_counts(file(content))
