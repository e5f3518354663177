from support import ROOT, ScriptTest

import os
import unittest


class CheckSnippets(ScriptTest):
    def check(self, snippet, page="README.md"):
        self.write("examples/a.cpp", "int main() {\n  int a = 1;\n  return a;\n}\n")
        self.write("src/base/b.cpp", "int b() { return 2; }\n")
        self.write("README.md", "text\n")
        self.write(page, f"text\n\n```cpp\n{snippet}```\n")
        return self.run_in(os.environ, ROOT / "scripts/check_snippets.py", self.world)

    def test_lines_of_an_example_pass_whatever_their_indentation(self):
        result = self.check("int a = 1;\nreturn a;\n")
        self.assertEqual(result.returncode, 0, result.stdout)

    def test_lines_that_no_example_has_are_named(self):
        result = self.check("int a = 2;\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("README.md:3: this snippet is in no file of examples;", result.stdout)

    def test_pages_for_developers_quote_any_source_and_the_others_do_not(self):
        snippet = "int b() { return 2; }\n"
        self.assertEqual(self.check(snippet, "docs/dev/style.md").returncode, 0)
        self.assertEqual(self.check(snippet).returncode, 1)

    def test_a_snippet_within_a_list_is_seen(self):
        self.write("docs/dev/list.md", "1. first:\n\n   ```cpp\n   int c;\n   ```\n")
        result = self.check("int a = 1;\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("docs/dev/list.md:3", result.stdout)

    def test_files_that_do_not_exist_are_named(self):
        self.write("docs/files.md", "see `src/base/b.cpp`, `src/base/gone.cpp` and `src/<layer>/x.cpp`\n")
        result = self.check("int a = 1;\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("docs/files.md:1: src/base/gone.cpp does not exist\n1 snippets, 1 mistakes\n", result.stdout)

    def test_the_documentation_quotes_code(self):
        result = self.run_in(os.environ, ROOT / "scripts/check_snippets.py", ROOT)
        self.assertEqual(result.returncode, 0, result.stdout)


if __name__ == "__main__":
    unittest.main()
