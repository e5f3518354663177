// Files are exchanged with Python's safetensors package: a kept one, and live where it is there.
#include <gtest/gtest.h>

#include "lockstep/io/safetensors.h"
#include "lockstep/tensor/create.h"
#include "tests/support/scratch.h"
#include "tests/support/subprocess.h"

namespace lockstep::io {
namespace {

TEST(Python, ReadsAFileOfPythonsPackage) {
  const SafetensorsFile file(std::filesystem::path(LOCKSTEP_GOLDEN) / "python.safetensors");
  EXPECT_EQ(file.metadata(), (Metadata{{"format", "np"}, {"comment", "na\u00efve"}}));
  EXPECT_EQ(file.entries().size(), 9U);
  const auto values = [&](const char* name) { return file.read(name).to_vector<double>(); };
  using Values = std::vector<double>;
  EXPECT_EQ(values("weights"), (Values{0, 0.25, 0.5, 0.75, 1, 1.25}));
  EXPECT_EQ(file.read("weights").shape(), (Shape{2, 3}));
  EXPECT_EQ(values("double"), (Values{1.5, -2.25}));
  EXPECT_EQ(values("half"), (Values{1, -0.5, 65504}));
  EXPECT_EQ(values("steps"), Values{-1099511627776.0});
  EXPECT_EQ(file.read("steps").rank(), 0);
  EXPECT_EQ(values("small"), (Values{1, -2, 3}));
  EXPECT_EQ(values("tiny"), (Values{-128, 127}));
  EXPECT_EQ(values("bytes"), (Values{0, 255}));
  EXPECT_EQ(values("flags"), (Values{1, 0, 1}));
  EXPECT_EQ(file.read("none").shape(), (Shape{0, 4}));
}

TEST(Python, ReadsOurFilesAndWritesThemBack) {
  const std::string python = LOCKSTEP_PYTHON "/bin/python3";
  if (tests::run_command(python + " -c 'import safetensors.numpy'").exit_code != 0) {
    GTEST_SKIP() << "needs scripts/install_python.sh " LOCKSTEP_PYTHON
                    "; the kept file is read all the same";
  }
  const tests::Scratch scratch;
  save_safetensors(scratch / "ours",
                   {{"a", tensor({1, 2, 3, 4}, {2, 2})},
                    {"b", scalar(-7, {.dtype = DType::i64})},
                    {"c", tensor({0.5, 2}, {.dtype = DType::f16})},
                    {"d", tensor({1, 0}, {.dtype = DType::boolean})},
                    {"e", zeros({3, 0}, {.dtype = DType::u8})}},
                   {{"key", "value"}});
  std::ofstream(scratch / "script.py") << R"(
import sys, numpy, safetensors, safetensors.numpy
with safetensors.safe_open(sys.argv[1], "np") as file:
    assert file.metadata() == {"key": "value"}, file.metadata()
x = safetensors.numpy.load_file(sys.argv[1])
assert x["a"].tolist() == [[1, 2], [3, 4]] and x["a"].dtype == numpy.float32
assert x["b"].item() == -7 and x["b"].shape == ()
assert x["c"].tolist() == [0.5, 2] and x["c"].dtype == numpy.float16
assert x["d"].tolist() == [True, False]
assert x["e"].shape == (3, 0)
safetensors.numpy.save_file(x, sys.argv[2])
)";
  const auto outcome =
      tests::run_command(python + " " + (scratch / "script.py").string() + " " +
                         (scratch / "ours").string() + " " + (scratch / "theirs").string());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const SafetensorsFile theirs(scratch / "theirs");
  for (const auto& [name, x] : load_safetensors(scratch / "ours")) {
    EXPECT_EQ(theirs.read(name).to_vector(), x.to_vector()) << name;
  }
}

}  // namespace
}  // namespace lockstep::io
