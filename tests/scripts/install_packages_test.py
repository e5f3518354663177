from support import ROOT, ScriptTest

import unittest

INSTALL = ROOT / "scripts/install_packages.sh"


class InstallPackages(ScriptTest):
    def machine(self, user, missing, sudo=False):
        """A Debian machine on which `missing` packages are not installed."""
        log = self.world / "log"
        self.command("id", f"echo {user}")
        self.command("dpkg-query", "for name; do :; done\n"
                     f"case \" {' '.join(missing)} \" in *\" $name \"*) exit 1 ;; esac\n"
                     "echo -n installed")
        self.command("apt-get", f"echo \"apt-get $* [${{DEBIAN_FRONTEND:-}}]\" >> {log}")
        if sudo:
            self.command("sudo", f"echo sudo >> {log}\n\"$@\"")
        return log

    def test_without_root_and_sudo_it_prints_the_line_to_run_and_ends_with_3(self):
        log = self.machine(user=1000, missing=["libfmt-dev", "ninja-build"])
        result = self.run_alone(INSTALL)
        self.assertEqual(result.returncode, 3)
        self.assertIn("apt-get update && apt-get install -y --no-install-recommends "
                      "ninja-build libfmt-dev\n", result.stderr)
        self.assertFalse(log.exists())

    def test_quickstart_and_test_pass_that_refusal_on(self):
        self.machine(user=1000, missing=["libspdlog-dev"])
        for script in ("quickstart", "test"):
            result = self.run_alone(ROOT / "scripts" / script)
            self.assertEqual(result.returncode, 3, result.stderr)
            self.assertIn("apt-get install", result.stderr)

    def test_root_installs_what_is_missing_after_an_update_and_without_questions(self):
        log = self.machine(user=0, missing=["libfmt-dev"])
        result = self.run_alone(INSTALL)
        self.assertEqual(result.returncode, 0, result.stderr)
        update, install = log.read_text().splitlines()
        self.assertTrue(update.startswith("apt-get update"))
        self.assertTrue(install.endswith("libfmt-dev [noninteractive]"), install)

    def test_a_user_with_sudo_installs_through_it(self):
        log = self.machine(user=1000, missing=["libfmt-dev"], sudo=True)
        self.assertEqual(self.run_alone(INSTALL).returncode, 0)
        self.assertEqual([line.split()[0] for line in log.read_text().splitlines()],
                         ["sudo", "apt-get"] * 2)

    def test_apt_is_not_touched_where_everything_is_there(self):
        log = self.machine(user=0, missing=[])
        self.assertEqual(self.run_alone(INSTALL, "--check", "--data").returncode, 0)
        self.assertFalse(log.exists())

    def test_the_data_set_is_installed_only_where_it_is_asked_for(self):
        log = self.machine(user=0, missing=["dataset-fashion-mnist"])
        self.run_alone(INSTALL)
        self.assertFalse(log.exists())
        self.run_alone(INSTALL, "--data")
        self.assertIn("dataset-fashion-mnist", log.read_text())

    def test_an_unknown_argument_is_refused_by_name(self):
        for script in ("install_packages.sh", "quickstart", "check.sh"):
            result = self.run_alone(ROOT / "scripts" / script, "--dta")
            self.assertEqual(result.returncode, 2)
            self.assertIn("unknown argument '--dta'", result.stderr)

    def test_an_argument_without_its_value_is_refused(self):
        for script, flag, fix in (("quickstart", "--data", "--data takes one folder"),
                                  ("test", "--preset", "--preset needs a name: release"),
                                  ("check.sh", "--base", "--base needs a revision")):
            result = self.run_alone(ROOT / "scripts" / script, flag)
            self.assertEqual(result.returncode, 2)
            self.assertIn(fix, result.stderr)

    def test_quickstart_refuses_data_that_is_no_folder_before_it_installs_anything(self):
        log = self.machine(user=0, missing=["libfmt-dev"])
        result = self.run_alone(ROOT / "scripts/quickstart", "--data", self.world / "nowhere")
        self.assertEqual(result.returncode, 2)
        self.assertIn(f"--data {self.world}/nowhere is no folder; give the one with", result.stderr)
        self.assertFalse(log.exists())


if __name__ == "__main__":
    unittest.main()
