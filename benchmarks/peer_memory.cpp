#include "benchmarks/peer_memory.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "lockstep/base/error.h"

namespace lockstep::bench {
namespace {

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int descriptor() const { return descriptor_; }

 private:
  int descriptor_;
};

void require(bool holds, const std::string& what) {
  check<DeviceError>(holds, [&] {
    return Complaint{fmt::format("benchmark: {}: {}", what, std::strerror(errno)),
                     "run it with --memory heap, which needs no memory that ranks share"};
  });
}

std::byte* mapping(const File& file, std::size_t bytes) {
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor(), 0);
  require(memory != MAP_FAILED, fmt::format("mapping {} bytes of a rank's memory", bytes));
  madvise(memory, bytes, MADV_HUGEPAGE);
  return static_cast<std::byte*>(memory);
}

}  // namespace

PeerMemory::PeerMemory(comm::Communicator& ranks, std::size_t bytes) : bytes_(bytes) {
  const File own(memfd_create("lockstep-bench", MFD_CLOEXEC));
  require(own.descriptor() >= 0 && ftruncate(own.descriptor(), static_cast<off_t>(bytes)) == 0,
          fmt::format("making {} bytes that ranks share", bytes));
  const std::int64_t name[] = {getpid(), own.descriptor()};
  std::vector<std::int64_t> names(2 * static_cast<std::size_t>(ranks.size()));
  ranks
      .all_gather({name, 2, DType::i64}, {names.data(), 2 * ranks.size(), DType::i64, {}, {}},
                  core::current_stream({}))
      .wait();
  for (std::size_t rank = 0; rank < names.size() / 2; ++rank) {
    const std::string path = fmt::format("/proc/{}/fd/{}", names[2 * rank], names[2 * rank + 1]);
    const File file(open(path.c_str(), O_RDWR | O_CLOEXEC));
    require(file.descriptor() >= 0, "opening rank " + std::to_string(rank) + "'s memory");
    mapped_.push_back(mapping(file, bytes));
  }
  ranks.barrier();  // every rank has opened what the others now close
}

PeerMemory::~PeerMemory() {
  for (std::byte* memory : mapped_) munmap(memory, bytes_);
}

}  // namespace lockstep::bench
