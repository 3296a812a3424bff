"""Writes the table of servers into COMPATIBILITY.md: compatibility.py target/systems COMPATIBILITY.md. The numbers are those of
the last whole runs of `make test-systems`, one folder for each release of Debian; the rows of a release that was not run stay."""

import sys
from pathlib import Path

MADE_BY = "<!-- make compatibility-table -->\n"
HEADS = ("program", "how its processes come to be", "Debian", "version", "without", "with sslcache", "setting", "with that")
# The releases by their names, the oldest first.
RELEASES = {"bullseye": "11", "bookworm": "12", "trixie": "13", "sid": "sid"}
PROTOCOLS = ("TLS 1.2", "TLS 1.3")


def one(numbers, separator):
    """Numbers of two forms or two protocols; only one where they agree."""
    first, second = numbers
    return first if first == second else f"{first}{separator}{second}"


def read(file):
    """The lines of a run by program, and in it by protocol."""
    programs = {}
    for line in file.read_text(encoding="utf-8").splitlines()[1:]:
        (program, version, how, _workers, protocol, _visits, plain, preloaded, in_front, setting, preloaded_set,
         in_front_set) = line.split("\t")
        numbers = (plain, one((preloaded, in_front), ", "), one((preloaded_set, in_front_set), ", "))
        lines = programs.setdefault(program, {"how": how, "version": version, "setting": setting, "numbers": {}})
        lines["numbers"][protocol] = numbers
    return programs


def cells(program, release, found):
    """A row of the table."""
    missing = ("-",) * 3
    without, unset, with_setting = (
        one(pair, " / ") for pair in zip(*(found["numbers"].get(protocol, missing) for protocol in PROTOCOLS)))
    setting = found["setting"] if found["setting"] == "-" else f"`{found['setting']}`"
    return (program, found["how"], RELEASES[release], found["version"], without, unset, setting, with_setting)


def main():
    """Reads the runs, and replaces their rows."""
    folder, page = sys.argv[1:]
    runs = {release: Path(folder, release, "workers.tsv") for release in RELEASES}
    found = {release: read(file) for release, file in runs.items() if file.exists()}
    before, table, after = Path(page).read_text(encoding="utf-8").split(MADE_BY)
    ran = {RELEASES[release] for release in found}
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in table.splitlines()[2:]]
    rows = [row for row in rows if row[2] not in ran]
    rows += [cells(program, release, lines) for release, programs in found.items() for program, lines in programs.items()]
    rows.sort(key=lambda row: (row[0], list(RELEASES.values()).index(row[2])))
    table = "".join(f"| {' | '.join(row)} |\n" for row in (HEADS, ("---",) * len(HEADS), *rows))
    Path(page).write_text(before + MADE_BY + table + MADE_BY + after, encoding="utf-8")


main()
