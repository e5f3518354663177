from support import ROOT, ScriptTest

import os
import unittest


class CheckSnippets(ScriptTest):
    def check(self, snippet):
        self.write("examples/a.cpp", "int main() {\n  int a = 1;\n  return a;\n}\n")
        self.write("README.md", f"text\n\n```cpp\n{snippet}```\n")
        return self.run_in(os.environ, ROOT / "scripts/check_snippets.py", self.world)

    def test_lines_of_an_example_pass_whatever_their_indentation(self):
        result = self.check("int a = 1;\nreturn a;\n")
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_lines_that_no_example_has_are_named(self):
        result = self.check("int a = 2;\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("README.md:3: this snippet is in no example", result.stdout)

    def test_the_documentation_quotes_the_examples(self):
        result = self.run_in(os.environ, ROOT / "scripts/check_snippets.py", ROOT)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
