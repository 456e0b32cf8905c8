# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs the benchmarks: python -m tests.benchmark."""

from __future__ import annotations

import sys

from tests.benchmark.runner import Runner, main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], Runner()))
