from support import ROOT, ScriptTest

import os
import unittest


class CheckLayers(ScriptTest):
    def setUp(self):
        super().setUp()
        self.write("cmake/layers.txt", "base:\ncore: base\nnn: core base\nprograms: (all)\n")

    def check(self):
        return self.run_in(os.environ, ROOT / "scripts/check_layers.py", self.world)

    def test_a_file_may_include_its_own_layer_and_those_of_its_line(self):
        self.write("src/nn/a.cpp", '#include "lockstep/nn/a.h"\n#include "lockstep/core/b.h"\n'
                   '#include "lockstep/version.h"\n#include <vector>\n')
        self.write("tests/nn/a_test.cpp", '#include "tests/support/near.h"\n')
        self.write("src/programs/p.cpp", '#include "lockstep/lockstep.h"\n')
        result = self.check()
        self.assertEqual(result.returncode, 0, result.stdout)

    def refuses(self, path, text, message):
        self.write(path, text)
        result = self.check()
        self.assertEqual(result.returncode, 1)
        self.assertIn(message, result.stdout)

    def test_an_include_of_a_higher_layer_is_refused_with_its_place(self):
        self.refuses("include/lockstep/core/a.h", '#pragma once\n#include "lockstep/nn/b.h"\n',
                     "include/lockstep/core/a.h:2: layer core may not include lockstep/nn/b.h")

    def test_a_private_header_of_a_higher_layer_is_refused(self):
        self.refuses("src/base/a.cpp", '#  include "src/core/b.h"\n', "layer base may not include")

    def test_the_umbrella_header_is_for_programs_only(self):
        self.refuses("src/nn/a.cpp", "#include <lockstep/lockstep.h>\n", "layer programs")

    def test_tests_keep_to_the_layers_of_what_they_test(self):
        self.refuses("tests/core/a_test.cpp", '#include "lockstep/nn/b.h"\n', "layer core")

    def test_a_folder_that_the_table_does_not_know_is_refused(self):
        self.refuses("src/utils/a.cpp", "", "src/utils: no layer of this name")

    def test_a_table_that_names_a_layer_before_its_line_is_refused(self):
        self.write("cmake/layers.txt", "base: core\ncore:\n")
        result = self.check()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("base names core", result.stderr)

    def test_the_table_is_kept_by_this_project(self):
        result = self.run_in(os.environ, ROOT / "scripts/check_layers.py")
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
