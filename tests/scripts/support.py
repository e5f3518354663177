"""Runs the project's scripts in a made-up world of commands and files."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
REAL_COMMANDS = ["bash", "env", "sed", "dirname", "cat", "nproc"]


class ScriptTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.world = pathlib.Path(folder.name)

    def write(self, path, text, executable=False):
        file = self.world / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if executable:
            file.chmod(0o755)
        return file

    def command(self, name, body):
        """Puts a made-up command on the PATH of run_alone()."""
        self.write(f"bin/{name}", f"#!{shutil.which('bash')}\n{body}\n", executable=True)

    def run_alone(self, *arguments):
        """Runs with made-up commands, a few harmless real ones, and nothing else."""
        for name in REAL_COMMANDS:
            link = self.world / "bin" / name
            if not link.exists():
                link.parent.mkdir(exist_ok=True)
                link.symlink_to(shutil.which(name))
        return self.run_in({**os.environ, "PATH": str(self.world / "bin")}, *arguments)

    def run_in(self, environment, *arguments):
        return subprocess.run([str(a) for a in arguments], env=environment, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True)
