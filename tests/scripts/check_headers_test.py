from support import ROOT, ScriptTest

import os
import unittest


class CheckHeaders(ScriptTest):
    def check(self, header):
        self.write("include/lockstep/a.h", "#pragma once\n" + header)
        self.write("scripts/check_headers.sh",
                   (ROOT / "scripts/check_headers.sh").read_text(), executable=True)
        return self.run_in(os.environ, self.world / "scripts/check_headers.sh")

    def test_a_header_that_stands_alone_passes(self):
        result = self.check("#include <vector>\nstd::vector<int> f();\n")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_a_header_that_leans_on_its_includer_is_refused(self):
        result = self.check("std::vector<int> f();\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("a.h: does not compile alone", result.stdout)

    def test_a_third_party_header_is_refused_with_its_line(self):
        for name in ("<fmt/core.h>", "<mpi.h>", '"Eigen/Core"'):
            result = self.check(f"#include {name}\n")
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"2:#include {name}", result.stdout)


if __name__ == "__main__":
    unittest.main()
