import pytest

from ledger.book import Book, parse_line


@pytest.fixture
def book():
    book = Book()
    book.post("cash", 10)
    book.post("cash", -3)
    book.post("bank", 5)
    return book


def test_balance(book):
    assert book.balance("cash") == 7
    assert book.balance("nothing") == 0


def test_accounts(book):
    assert book.accounts() == ["bank", "cash"]


def test_entry_of_nothing(book):
    with pytest.raises(ValueError):
        book.post("cash", 0)


@pytest.mark.parametrize("line,expected", [("cash 12", ("cash", 12)), ("petty cash -4", ("petty cash", -4))])
def test_parse_line(line, expected):
    assert parse_line(line) == expected


@pytest.mark.skip(reason="not yet")
def test_later():
    assert False
