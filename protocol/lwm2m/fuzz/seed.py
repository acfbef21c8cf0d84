#!/usr/bin/env python3
"""Writes the conformance vectors as first inputs of each fuzz target, into corpus/<target>/."""

import json
from pathlib import Path

HERE = Path(__file__).resolve().parent


def body(vector):
    if "hex_parts" in vector:
        return b"".join(bytes.fromhex(part) * repeat for part, repeat in vector["hex_parts"])
    if "hex" in vector:
        return bytes.fromhex(vector["hex"])
    return vector["text"].encode()


def main():
    for vector in json.loads((HERE.parent / "tests/vectors.json").read_text("utf-8")):
        data = body(vector)
        if len(data) > 4096:
            continue
        segments = [segment for segment in vector["path"].split("/") if segment]
        # See `content` in src/lib.rs: the first byte chooses the request.
        first = b"" if vector["format"] == "link" else bytes([min(len(segments), 4)])
        targets = [vector["format"].replace("-", "_")]
        if targets[0].startswith("senml"):
            targets.append(targets[0].replace("senml", "senml_etch"))
        for target in targets:
            folder = HERE / "corpus" / target
            folder.mkdir(parents=True, exist_ok=True)
            (folder / vector["id"]).write_bytes(first + data)


if __name__ == "__main__":
    main()
