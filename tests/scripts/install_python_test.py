from support import ROOT, ScriptTest

import unittest

INSTALL = ROOT / "scripts/install_python.sh"


class InstallPython(ScriptTest):
    def environment(self, imports, install="true"):
        """A folder whose Python can import the packages or not; `install` is what pip does."""
        log = self.world / "log"
        self.write("python/bin/python3", "#!/bin/sh\necho \"$*\" >> " + str(log) +
                   f"\ncase $1 in -c) {imports} ;; -m) {install} ;; esac\n", executable=True)
        self.command("python3", f"echo \"$*\" >> {log}")
        return log

    def run_script(self):
        return self.run_alone(INSTALL, self.world / "python")

    def test_nothing_is_installed_where_the_packages_are(self):
        log = self.environment(imports="true")
        self.assertEqual(self.run_script().returncode, 0)
        self.assertEqual(log.read_text(), "-c import numpy, safetensors\n")

    def test_missing_packages_are_installed_into_the_folder_alone(self):
        log = self.environment(imports="false")
        result = self.run_script()
        self.assertEqual(result.returncode, 0)
        self.assertIn(f"Installing numpy safetensors into {self.world}/python", result.stderr)
        _, venv, pip = log.read_text().splitlines()
        self.assertEqual(venv, f"-m venv {self.world}/python")
        self.assertTrue(pip.startswith("-m pip install") and pip.endswith("numpy safetensors"), pip)

    def test_without_a_network_it_says_what_is_skipped_and_the_tests_go_on(self):
        self.environment(imports="false", install="exit 1")
        result = self.run_script()
        self.assertEqual(result.returncode, 0)
        self.assertIn("could not be installed: the tests that need them are skipped", result.stderr)


if __name__ == "__main__":
    unittest.main()
