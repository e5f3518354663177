from support import ROOT, ScriptTest

import os
import shutil
import sys
import unittest

COMPARE = ROOT / "benchmarks/compare_collectives.py"
# Writes the figures of a run that it did not make: its last argument is the JSON file.
MADE_UP = """import json, sys
entries = [{{"name": f"collectives/all_reduce/f32/x/{{size}}/in_place", "size": size, {counters}}} for size in (64, 256)]
json.dump({{"benchmarks": entries}}, open(sys.argv[-1], "w"))
"""


class CompareCollectives(ScriptTest):
    def program(self, name, counters):
        return self.write(name, f"#!{sys.executable}\n{MADE_UP.format(counters=counters)}", executable=True)

    def compare(self, *arguments):
        path = f"{self.world / 'bin'}:{os.environ['PATH']}"
        return self.run_in({**os.environ, "PATH": path}, sys.executable, "-B", COMPARE, *arguments)

    def test_ratios_to_the_others_stand_in_one_line_a_size(self):
        self.command("mpirun", 'for last; do :; done; exec "$BENCH" --json "$last"')
        bench = self.program("bench", '"algbw_gbs": 12.0, "mpi_algbw_gbs": 4.0, "limit_algbw_gbs": 15.0')
        twin = self.program("twin", '"algbw_gbs": 1.5')
        os.environ["BENCH"] = str(bench)
        result = self.compare("--bench", bench, "--python", twin, "--pairs", "2")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = [line.split() for line in result.stdout.splitlines()[2:]]
        self.assertEqual([row[0] for row in rows], ["64", "256"])
        self.assertEqual(rows[0][1:5], ["12.000", "4.000", "1.500", "15.000"])
        self.assertEqual([rows[0][5], rows[0][9], rows[0][13]], ["3.00", "8.00", "0.80"])

    def test_a_run_that_fails_is_shown_with_its_output(self):
        self.command("mpirun", "echo no such host; exit 5")
        result = self.compare("--bench", shutil.which("true"), "--python", shutil.which("true"), "--pairs", "1")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("exit code 5: mpirun", result.stderr)
        self.assertIn("no such host", result.stderr)


if __name__ == "__main__":
    unittest.main()
