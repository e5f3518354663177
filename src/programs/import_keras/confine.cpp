#include "src/programs/import_keras/confine.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <fstream>
#include <iterator>

#include "src/obs/file.h"

namespace lockstep::programs {
namespace {

#if defined(__x86_64__)
constexpr unsigned architecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr unsigned architecture = AUDIT_ARCH_AARCH64;
#else
constexpr unsigned architecture = 0;  // no filter
#endif

constexpr sock_filter load(std::size_t offset) {
  return BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<unsigned>(offset));
}
constexpr sock_filter if_equal(unsigned value, unsigned char then, unsigned char otherwise) {
  return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, then, otherwise);
}
constexpr sock_filter answer(unsigned action) { return BPF_STMT(BPF_RET | BPF_K, action); }

void forbid_network_and_programs() {
  if (architecture == 0) return;
  // A jump skips that many instructions; the last one refuses.
  sock_filter program[] = {
      load(offsetof(seccomp_data, arch)),
      if_equal(architecture, 1, 0),
      answer(SECCOMP_RET_KILL_PROCESS),
      load(offsetof(seccomp_data, nr)),
      if_equal(__NR_socket, 5, 0),
      if_equal(__NR_execve, 4, 0),
      if_equal(__NR_execveat, 3, 0),
      if_equal(__NR_ptrace, 2, 0),
      // Numbers from here on are x86's second interface to the same calls.
      BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000U, 1, 0),
      answer(SECCOMP_RET_ALLOW),
      answer(SECCOMP_RET_ERRNO | EPERM),
  };
  const sock_fprog filter{static_cast<unsigned short>(std::size(program)), program};
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
  ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

// The address space that the process has, libraries included.
rlim_t mapped_bytes() {
  rlim_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  return pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

bool caps_memory() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return false;
#else
  return true;
#endif
}

void confine(std::int64_t memory) {
  const auto bytes = static_cast<rlim_t>(memory) + mapped_bytes();
  const rlimit limit{bytes, bytes};
  if (caps_memory() && ::setrlimit(RLIMIT_AS, &limit) != 0) {
    obs::fail("limiting the memory of", "this process", errno);
  }
  forbid_network_and_programs();
}

}  // namespace lockstep::programs
