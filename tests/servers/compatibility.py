"""Writes the table of servers into COMPATIBILITY.md: compatibility.py target/workers.tsv COMPATIBILITY.md. The numbers are
those of the last whole run of the tests of servers."""

import sys

MADE_BY = "<!-- make compatibility-table -->\n"
HEADS = ("program", "version", "how its processes come to be", "workers", "protocol", "without", "with sslcache", "setting",
         "with that")


def both(preloaded, in_front):
    """Of the two forms; one number where they agree."""
    return preloaded if preloaded == in_front else f"{preloaded}, {in_front}"


def cells(line):
    (program, version, how, workers, protocol, _visits, plain, preloaded, in_front, setting, preloaded_set,
     in_front_set) = line.rstrip("\n").split("\t")
    setting = setting if setting == "-" else f"`{setting}`"
    return (program, version, how, workers, protocol, plain, both(preloaded, in_front), setting,
            both(preloaded_set, in_front_set))


def main():
    results, page = sys.argv[1:]
    with open(results, encoding="utf-8") as file:
        rows = [cells(line) for line in file][1:]
    table = "".join(f"| {' | '.join(row)} |\n" for row in (HEADS, ("---",) * len(HEADS), *rows))
    with open(page, encoding="utf-8") as file:
        before, _, after = file.read().split(MADE_BY)
    with open(page, "w", encoding="utf-8") as file:
        file.write(before + MADE_BY + table + MADE_BY + after)


main()
