#!/usr/bin/python3
"""Computes the reference numbers of tests/golden/ with PyTorch (Debian's python3-torch 1.13). Only for developing.

  /usr/bin/python3 tests/golden/generate.py                          writes *.safetensors and the listing in README.md
  /usr/bin/python3 tests/golden/generate.py --float32 --out FOLDER   the same computed in float32, to see its distance
"""
import argparse
import pathlib
import sys

sys.dont_write_bytecode = True
import torch  # noqa: E402

from attention import attention, mha  # noqa: E402
from convolution import convolution  # noqa: E402
from layers import decoder_layer, encoder_layer  # noqa: E402
from models import gpt, gpt_tied, transformer  # noqa: E402
from ops import ops  # noqa: E402
from optimisers import optim  # noqa: E402
from recurrent import recurrent  # noqa: E402
from vision import vision  # noqa: E402

HERE = pathlib.Path(__file__).parent
LISTING = "<!-- Below this line generate.py writes. -->\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, default=HERE, metavar="FOLDER")
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    if options.float32 and options.out == HERE:
        parser.error("--float32 needs --out: the files in tests/golden/ are float64")

    torch.set_num_threads(1)  # the order of sums, and with it the last bit, must not depend on the machine's cores
    torch.use_deterministic_algorithms(True)
    torch.set_default_dtype(torch.float32 if options.float32 else torch.float64)

    files = [make() for make in (ops, attention, mha, encoder_layer, decoder_layer, transformer, gpt, gpt_tied, optim,
                                 recurrent, convolution, vision)]
    options.out.mkdir(parents=True, exist_ok=True)
    for file in files:
        file.write(options.out)
    if options.out == HERE:
        readme = HERE / "README.md"
        text, _, _ = readme.read_text().partition(LISTING)
        readme.write_text(text + LISTING + "\n" + "\n".join(file.listing() for file in files))


main()
