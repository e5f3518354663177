from support import ROOT, ScriptTest

import os
import sys
import unittest

COMPARE = ROOT / "benchmarks/compare.py"
# Writes the figures and losses of a run that it did not make, and is a Python that has PyTorch.
MADE_UP = """#!{python}
import json, sys
if sys.argv[1] != "-c":
    value = dict(zip(sys.argv, sys.argv[1:]))
    open(value["--losses"], "w").write("{losses}")
    json.dump({{"benchmarks": [{{"step_ms": {ms}, "limit_ms": 1.0}}]}}, open(value["--json"], "w"))
"""
# Runs what one rank was to run.
MPIRUN = '''while [[ $1 != taskset ]]; do shift; done
shift 3; own=(); for each; do [[ $each == : ]] && break; own+=("$each"); done
exec "${own[@]}"'''


class Compare(ScriptTest):
    def compare(self, *arguments, ours="1.0 0.5", theirs="1.0 0.5"):
        if len(os.sched_getaffinity(0)) < 2:
            self.skipTest("two ranks need a core each")
        self.command("mpirun", MPIRUN)
        sides = []
        for name, ms, losses in (("bench", 2.0, ours), ("twin", 5.0, theirs)):
            text = MADE_UP.format(python=sys.executable, ms=ms, losses=losses)
            sides.append(self.write(name, text, executable=True))
        return self.run_compare("--bench", sides[0], "--python", sides[1], "--workload", "mlp", *arguments)

    def run_compare(self, *arguments):
        path = f"{self.world / 'bin'}:{os.environ['PATH']}"
        return self.run_in({**os.environ, "PATH": path}, sys.executable, "-B", COMPARE, *arguments)

    def test_ratio_and_share_of_the_limit_are_those_of_the_pairs(self):
        result = self.compare("--pairs", "3", "--variant=--fused")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("ratio 2.50 (from 2.50 to 2.50): PyTorch / lockstep", result.stdout)
        self.assertRegex(result.stdout, r"limit / step +0.5 +0.2\n")

    def test_without_a_variant_the_fastest_of_a_sweep_is_taken(self):
        result = self.compare("--quick")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("PyTorch: --bucket-cap-mb 25 --gradient-as-bucket-view --fused\n", result.stdout)

    def test_losses_that_part_end_the_comparison(self):
        result = self.compare("--pairs", "1", "--variant=--fused", theirs="1.0 0.6")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the loss curves part at step 1: 0.5, PyTorch 0.6", result.stderr)

    def test_other_numbers_of_steps_end_the_comparison(self):
        result = self.compare("--pairs", "1", "--variant=--fused", theirs="1.0 0.5 0.4")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the loss curves have 2 and 3 points", result.stderr)

    def test_where_pytorch_is_missing_it_says_how_to_get_it(self):
        python = self.write("python", "#!/bin/sh\nexit 1\n", executable=True)
        result = self.run_compare("--python", python)
        self.assertEqual(result.returncode, 3)
        self.assertIn(f"PyTorch is not installed for {python}\n  fix: python3 -m venv", result.stderr)
        self.assertIn("pip install torch numpy", result.stderr)

    def test_where_our_program_is_missing_it_says_how_to_build_it(self):
        python = self.write("python", "#!/bin/sh\nexit 0\n", executable=True)
        result = self.run_compare("--python", python, "--bench", self.world / "nowhere")
        self.assertEqual(result.returncode, 3)
        self.assertIn("nowhere does not exist\n  fix: cmake --build --preset release", result.stderr)


if __name__ == "__main__":
    unittest.main()
