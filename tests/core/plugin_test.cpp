#include "lockstep/core/plugin.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "lockstep/base/error.h"
#include "tests/support/environment.h"
#include "tests/support/failure.h"

namespace lockstep::core {
namespace {

using ::testing::HasSubstr;
using tests::Environment;

constexpr std::uint64_t abi = 0x1234;

// The plug-ins that these tests open (tests/core/fake_plugin.cpp) lie beside the test executable.
std::string folder() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().string();
}
std::string path_of(const std::string& name) {
  return folder() + "/libfake_plugin_" + name + ".so";
}

DeviceError error_of(const std::string& file, const std::string& path) {
  return tests::failure_of<DeviceError>([&] { open_plugin(file, path, abi); });
}

TEST(Plugin, OpensWhatServes) {
  const PluginAnswer answer = open_plugin("any", path_of("good"), abi);
  EXPECT_STREQ(answer.description, "1 thread");
  EXPECT_NE(answer.object, nullptr);
}

TEST(Plugin, IsFoundBesideTheLibrary) {
  EXPECT_NE(open_plugin("libfake_plugin_good.so", "", abi).object, nullptr);
}

TEST(Plugin, IsLookedForInTheFolderOfTheEnvironmentOnly) {
  const Environment set("LOCKSTEP_PLUGIN_DIR", "/nowhere");
  EXPECT_EQ(plugin_folders(), std::vector<std::string>{"/nowhere"});
  const DeviceError error = error_of("libfake_plugin_good.so", "");
  EXPECT_EQ(error.problem(),
            "plug-in libfake_plugin_good.so: not found; tried /nowhere/libfake_plugin_good.so");
  EXPECT_EQ(error.fix(),
            "set LOCKSTEP_PLUGIN_DIR to the folder that holds it, or install lockstep again");
}

TEST(Plugin, ThatIsMissingNamesEveryPlaceThatWasTried) {
  const DeviceError error = error_of("liblockstep_absent.so", "");
  for (const std::string& each : plugin_folders()) {
    EXPECT_THAT(error.problem(), HasSubstr(each + "/liblockstep_absent.so"));
  }
  EXPECT_THAT(error.where(), HasSubstr("plugin.cpp"));
}

TEST(Plugin, IsNeverTakenFromTheCurrentFolder) {
  for (const std::string& each : plugin_folders())
    EXPECT_TRUE(std::filesystem::path(each).is_absolute());
}

TEST(Plugin, OfAnotherBuildIsRefused) {
  const DeviceError error = error_of("any", path_of("stale"));
  EXPECT_EQ(error.problem(),
            "plug-in " + path_of("stale") +
                ": built for another lockstep (ABI 0000000000009999, here 0000000000001234)");
  EXPECT_EQ(error.fix(), "build and install the plug-in together with the library");
}

TEST(Plugin, ThatCannotServeSaysWhy) {
  const DeviceError error = error_of("any", path_of("unfit"));
  EXPECT_EQ(error.problem(),
            "plug-in " + path_of("unfit") + ": cannot serve: the driver is too old");
  EXPECT_EQ(error.fix(), "mend what it names, or choose another device");
}

TEST(Plugin, WithoutTheEntryIsRefused) {
  const DeviceError error = error_of("any", path_of("empty"));
  EXPECT_EQ(error.problem(), "plug-in " + path_of("empty") + ": exports no lockstep_plugin");
}

TEST(Plugin, ThatIsNoLibraryIsRefused) {
  const DeviceError error = error_of("any", "/proc/self/status");
  EXPECT_THAT(error.problem(), HasSubstr("plug-in /proc/self/status: cannot be opened: "));
}

TEST(Plugin, FailsThroughTheHostWithADeviceError) {
  const PluginAnswer answer = open_plugin("any", path_of("good"), abi);
  const auto fail = reinterpret_cast<void (*)()>(answer.object);
  const auto error = tests::failure_of<DeviceError>(fail);
  EXPECT_EQ(error.problem(), "the fake cannot do it");
  EXPECT_EQ(error.fix(), "take a real one");
}

}  // namespace
}  // namespace lockstep::core
