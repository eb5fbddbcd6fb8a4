"""--where: what of pandas' queries is understood, what it says of rows, and what it refuses."""

from __future__ import annotations

import io

import pytest

from batchreset.cohort import Where, inspect
from batchreset.errors import CohortError, UsageError
from tests.support.cohorts import rows_of

CELLS = {
    "department": ["Sales", "IT", "", "O'Brien"],
    "Job title": ["Chief", "chief of staff", "clerk", "`a`@b"],
    "sign_ins": ["1", "2", "3", "10"],
    "Büro": ["a", "b", "c", "d"],
    "class": ["a", "b", "c", "d"],
    "Date (UTC)": ["2026-11-18", "2026-11-19", "2026-11-20", "2026-11-21"],
}


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("department == 'Sales'", [0]),
        ('department != "Sales"', [1, 2, 3]),
        ("department in ['Sales', 'IT']", [0, 1]),
        ("department not in ('IT',)", [0, 2, 3]),
        ("department == ''", [2]),
        ('department == "O\'Brien"', [3]),
        ("not department == 'IT' and Büro != 'a'", [2, 3]),
        ("department == 'Sales' & sign_ins == '1'", [0]),
        ("(department == 'Sales') | (sign_ins == '2')", [0, 1]),
        ("~department.str.contains('sales', case=False)", [1, 2, 3]),
        ("`Job title`.str.startswith('Chief')", [0]),
        ("`Job title`.str.lower().str.startswith('chief')", [0, 1]),
        ("`Job title` == '`a`@b'", [3]),
        ("`Job title`.str.contains('(chief|clerk)')", [1, 2]),
        ("`class` == 'b' or department.isin(['IT'])", [1]),
        ("`Date (UTC)` >= '2026-11-20'", [2, 3]),
        ("sign_ins.between('1', '2')", [0, 1, 3]),
        ("sign_ins.astype(int) > 2", [2, 3]),
        ("sign_ins.astype(float) >= -1.5 and sign_ins.str.len() == 2", [3]),
        ("department == 'IT' or\n  department == ''", [1, 2]),
        # The signs have the precedence of the words, as in pandas' own queries, and keep what is in parentheses.
        ("department != 'IT' and (sign_ins == '1' | sign_ins == '2')", [0]),
        ("department != 'IT' and ((sign_ins == '1') | (sign_ins == '2'))", [0]),
        ("not ((department == 'Sales') & (sign_ins == '1'))", [1, 2, 3]),
        ("department == 'R&D|x' | Büro == 'b'", [1]),
        ("department != 'I#T'\n and sign_ins == '1'", [0]),
        ("'1' < sign_ins < '3'", [1, 3]),
        ("department.str.lower() in ['sales', 'it'] and sign_ins.astype(int) not in [2]", [0]),
        ("department < `Job title`", [1, 2, 3]),
        ("sign_ins.astype(int) + 1 == 11 and -sign_ins.astype(float) < -2.5", [3]),
    ],
)
def test_a_query_says_which_rows_are_meant(text: str, rows: list[int]) -> None:
    """By the cohort's own headers, whatever they are; every cell is text until it is said to be a number."""
    where = Where.parse(text)
    where.refuse_unknown("cohort.csv", [*CELLS])
    mask = where.mask("cohort.csv", {name: CELLS[name] for name in where.columns})
    assert [row for row, is_meant in enumerate(mask) if is_meant] == rows
    # By itself each row is judged as it is among others.
    alone = [where.mask("cohort.csv", {name: [CELLS[name][row]] for name in where.columns}) for row in range(4)]
    assert alone == [[is_meant] for is_meant in mask]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("department ==", "this is no expression"),
        ("department = 'x'", "this is no expression"),
        ("", "this is no expression"),
        ("@department == 'x'", "this is no expression"),
        ("(" * 5000, "this is no expression"),
        ("not " * 5000 + "department", "--where not not"),
        ("__import__('os').system('x')", ".system cannot be used here"),
        ("__import__('os')", "only methods of columns can be called"),
        ("department.__class__", ".__class__ cannot be used here"),
        ("department.to_csv('x')", ".to_csv cannot be used here"),
        ("department.str.cat()", ".cat cannot be used here"),
        ("department.duplicated()", ".duplicated cannot be used here, or not so; what can: .astype, "),
        ("sign_ins.astype(int) > sign_ins.astype(int).mean()", ".mean cannot be used here"),
        ("department.isna()", ".isna cannot be used here"),
        ("sign_ins > 5", "put the number in quotes, or .astype(int)"),
        ("sign_ins in [1, 2]", "put the number in quotes, or .astype(int)"),
        ("sign_ins == -1", "put the number in quotes, or .astype(int)"),
        ("sign_ins.astype('datetime64[ns]') > 'x'", "give .astype(int) or .astype(float)"),
        ("sign_ins.astype(int, copy=False) == 1", "give .astype(int) or .astype(float)"),
        ("department != 'IT'  # not them\n and sign_ins == '1'", "leave the comment out"),
        # What pandas takes for false, or true, without a word.
        ("sign_ins.astype(int) != '5'", "a text is compared with a number"),
        ("sign_ins.astype(int) > 'x'", "a text is compared with a number"),
        ("sign_ins.str.len() != '3'", "a text is compared with a number"),
        ("department.str.lower() != 5", "a text is compared with a number"),
        ("not department.isin([5])", "a text is compared with a number"),
        ("not sign_ins.astype(int).isin(['5'])", "a text is compared with a number"),
        ("sign_ins.between(1, 2)", "a text is compared with a number"),
        ("department.str.isdigit() != 'True'", "combined by and, or, not"),
        ("(department == 'IT') == (sign_ins == '1')", "combined by and, or, not"),
        ("department == True", "True is neither a text nor a number"),
        ("department == 'IT' or True", "True is neither a text nor a number"),
        ("department == 'IT' or 1 == 1", "a comparison without a column is the same for each row"),
        ("~department == 'IT'", "a text stands where true or false is needed"),
        ("not department", "a text stands where true or false is needed"),
        ("department and sign_ins", "a text stands where true or false is needed"),
        ("-department == 'x'", "a text stands where a number is needed"),
        # What would depend on the rows beside it.
        ("department in `Job title`", "give a list of values"),
        ("'Sales' in department", "give a list of values"),
        ("department.isin(Büro)", "give a list of values"),
        ("department in [Büro, 'x']", "give a list of values"),
        ("department == ['a', 'b', 'c', 'd']", "list is nothing that it can use"),
        ("department in ('IT')", "give a list of values"),
        # What a few letters could make gigabytes with.
        ("department.str.replace('', 'xxxx').str.replace('', 'xxxx') == 'x'", ".replace cannot be used here"),
        ("department.str.contains(Büro)", "give .str.contains() texts or numbers"),
        ("department.str.contains(*department)", "give .str.contains() texts or numbers"),
        ("'a'.str.contains('a')", "a comparison without a column"),
        ("'1'.astype(int) == 1", "a comparison without a column"),
        ("department is 'x'", "nothing that it can use"),
        ("department.str.len == 2", ".len cannot be used here, or not so"),
        ("department", "not true or false for each row"),
        ("department.str", ".str cannot be used here"),
        ("department.isin", ".isin cannot be used here"),
        ("'a' == 'a'", "a comparison without a column"),
        ("sign_ins.astype(int) + 1", "not true or false for each row"),
        ("department == None", "None is neither a text nor a number"),
        ("'a' * 1000000000 == department", "nothing that it can use"),
        ("department[0] == 'x'", "nothing that it can use"),
        ("(lambda: 1)() == department", "only methods of columns"),
        ("[x for x in department]", "nothing that it can use"),
        ("f'{department}' == 'x'", "nothing that it can use"),
    ],
)
def test_what_reaches_beyond_the_cells_of_a_row_is_refused(text: str, said: str) -> None:
    """Before a file is read: Python's names, files, other rows, numbers that no text is like. Exit status 2."""
    with pytest.raises(UsageError) as caught:
        Where.parse(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("--where")
    assert len(str(caught.value)) < 600
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("nope == 'x'", "cohort.csv has no column 'nope'; those that it has: department, Job title"),
        ("int == '1'", "cohort.csv has no column 'int'"),
        ("department.astype(int) == 1", "does not fit the cells of cohort.csv"),
        ("department.str.contains('(')", "does not fit the cells of cohort.csv"),
        ("not odd.astype(float) < 5", "does not fit the cells of cohort.csv"),
        ("twice == ''", "cohort.csv has two columns 'twice', so rename one of them."),
    ],
)
def test_what_does_not_fit_the_cohort_is_refused(text: str, said: str) -> None:
    """In a sentence that shows no cell. Exit status 5."""
    where = Where.parse(text)
    with pytest.raises(CohortError) as caught:
        _refused(where)
    assert said in str(caught.value)
    assert "Brien" not in str(caught.value)
    assert caught.value.exit_status == 5


def _refused(where: Where) -> None:
    cells = {**CELLS, "odd": ["1", "nan", "3", "4"]}
    where.refuse_unknown("cohort.csv", [*cells, "twice", "twice"])
    where.mask("cohort.csv", {name: cells[name] for name in where.columns})


def test_rows_that_are_not_meant_are_kept_with_their_reason() -> None:
    """Chunk by chunk: blank ones stay blank, no password of theirs is sealed, and the account can be chosen by too."""
    lines = [f"u{n}@contoso.example,{'Sales' if n % 3 else 'IT'},pw{n}" for n in range(8)]
    lines[2] = "u2@contoso.example,\u00a0Sales ,pw2"  # blanks that nobody sees
    text = "\n".join(["upn,dept,password", *lines, ",IT,x", "nobody,IT,x", "nobody,Sales,x"])
    (source,) = inspect(["-"], stdin=io.BytesIO(text.encode()), password_column="password")
    opened: list[str] = []

    def seal(text: str) -> bytes:
        opened.append(text)
        return b""

    where = Where.parse("dept == 'Sales' and not upn.str.startswith('u1@')")
    rows = rows_of(source, where=where, seal=seal, chunk_rows=4)
    left_out, invalid = "not_selected", "invalid_identifier"
    assert [row["reason"] for row in rows] == [
        *(left_out, left_out, "", left_out, "", "", left_out, ""),
        *("blank", left_out, invalid),
    ]
    assert opened == ["pw2", "pw4", "pw5", "pw7"]
    with pytest.raises(CohortError, match="no column 'password'"):
        Where.parse("password == 'x'").refuse_unknown(source.name, (source.account_column, *source.columns))
