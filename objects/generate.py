#!/usr/bin/env python3
"""Writes the object definitions of this folder from facts.csv.

One row of facts.csv is one resource of one object version: ids, names, operations, types, ranges, units. The files have the shape that
OMA gave to object definitions, so that every tool reads them.

    generate.py           writes the files and removes those that no row stands for
    generate.py --check   writes nothing; exit 1 and a line for each file that is not as it would be written
"""

import csv
import sys
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parent
HEADER = """<?xml version="1.0" encoding="UTF-8"?>
<!-- Written by generate.py from facts.csv: change those. Own definitions go into custom/. -->
<LWM2M>
"""


def element(indent, name, text):
    space = "  " * indent
    return f"{space}<{name}>{escape(text)}</{name}>\n" if text else f"{space}<{name} />\n"


def item(row):
    lines = f'      <Item ID="{row["resource_id"]}">\n'
    lines += element(4, "Name", row["resource_name"])
    lines += element(4, "Operations", row["operations"])
    lines += element(4, "MultipleInstances", row["resource_instances"])
    lines += element(4, "Mandatory", row["resource_mandatory"])
    lines += element(4, "Type", row["type"])
    lines += element(4, "RangeEnumeration", row["range"])
    lines += element(4, "Units", row["units"])
    return lines + "      </Item>\n"


def definition(rows):
    first = rows[0]
    text = HEADER + '  <Object ObjectType="MODefinition">\n'
    text += element(2, "Name", first["object_name"])
    text += element(2, "ObjectID", first["object_id"])
    text += element(2, "ObjectURN", first["urn"])
    text += element(2, "LWM2MVersion", first["lwm2m_version"])
    text += element(2, "ObjectVersion", first["object_version"])
    text += element(2, "MultipleInstances", first["object_instances"])
    text += element(2, "Mandatory", first["object_mandatory"])
    text += "    <Resources>\n" + "".join(item(row) for row in rows) + "    </Resources>\n"
    return text + "  </Object>\n</LWM2M>\n"


def files():
    """File name to content, for all of facts.csv."""
    with open(FOLDER / "facts.csv", newline="", encoding="utf-8") as facts:
        rows = list(csv.DictReader(facts))
    rows.sort(key=lambda row: (int(row["object_id"]), row["object_version"], int(row["resource_id"])))
    versions = groupby(rows, key=lambda row: f'{row["object_id"]}-{row["object_version"]}.xml')
    return {name: definition(list(group)) for name, group in versions}


def main():
    wanted = files()
    present = {path.name for path in FOLDER.glob("*.xml")}
    stray = sorted(present - wanted.keys())
    if sys.argv[1:] == ["--check"]:
        differing = [name for name in wanted if name not in present or (FOLDER / name).read_text("utf-8") != wanted[name]]
        for name in differing + stray:
            print(f"{name}: not as generate.py would write it")
        return 1 if differing or stray else 0
    if sys.argv[1:]:
        print(__doc__)
        return 64
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, "utf-8", newline="\n")
    for name in stray:
        (FOLDER / name).unlink()
    print(f"{len(wanted)} definitions written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
