// What a process that reads untrusted files has given up.
#include "src/programs/import_keras/confine.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace lockstep::tests {
namespace {

TEST(Confine, LeavesNeitherNetworkNorOtherPrograms) {
  EXPECT_EXIT(
      {
        programs::confine(std::int64_t{1} << 40U);
        const bool has_socket = ::socket(AF_INET, SOCK_STREAM, 0) >= 0 || errno != EPERM;
        const bool has_program = ::execl("/bin/true", "true", nullptr) == 0 || errno != EPERM;
        ::_exit(has_socket || has_program ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Confine, LeavesNoMoreMemoryThanAllowed) {
  if (!programs::caps_memory()) GTEST_SKIP() << "sanitizers reserve too much for a cap";
  EXPECT_EXIT(
      {
        programs::confine(32 << 20);
        const auto maps = [](std::size_t bytes) {
          return ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) !=
                 MAP_FAILED;
        };
        ::_exit(maps(16U << 20U) && !maps(64U << 20U) ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace lockstep::tests
