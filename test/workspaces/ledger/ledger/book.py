"""A small book of accounts."""


class Book:
    def __init__(self):
        self.entries = []

    def post(self, account, amount):
        """Adds an entry; an amount of nothing is refused."""
        if amount == 0:
            raise ValueError("an entry of nothing")
        self.entries.append((account, amount))

    def balance(self, account):
        """The sum of an account's entries."""
        return sum(amount for name, amount in self.entries if name == account)

    def accounts(self):
        return sorted({name for name, _ in self.entries})


def parse_line(line):
    """Account and amount of a line such as `cash 12`."""
    account, amount = line.rsplit(" ", 1)
    return account.strip(), int(amount)


def untested(value):
    return value + 1
