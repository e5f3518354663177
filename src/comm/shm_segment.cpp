#include "src/comm/shm_segment.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "lockstep/base/error.h"

namespace lockstep::comm {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

#ifdef MADV_COLLAPSE
constexpr int collapse = MADV_COLLAPSE;
#else
constexpr int collapse = 25;
#endif

constexpr auto less_memory = "use a smaller model, fewer ranks on this host, or free memory on it";

std::size_t whole_pages(std::size_t bytes) {
  const std::size_t page = bytes >= huge_page ? huge_page : 4096;
  return (bytes + page - 1) / page * page;
}

// Takes a range with room for an aligned one first, and gives its margins back.
void* mapped(std::size_t bytes, int descriptor) {
  constexpr std::size_t alignment = ShmSegment::address_alignment;
  void* const range = ::mmap(nullptr, bytes + alignment, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return range;
  auto* const begin = static_cast<std::byte*>(range);
  const std::size_t beyond = reinterpret_cast<std::uintptr_t>(range) % alignment;
  const std::size_t margin = (alignment - beyond) % alignment;
  if (margin > 0) ::munmap(begin, margin);
  ::munmap(begin + margin + bytes, alignment - margin);
  void* const data =
      ::mmap(begin + margin, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0);
  if (data == MAP_FAILED) ::munmap(begin + margin, bytes);
  return data;
}

void reserve(int descriptor, std::size_t bytes) {
  int status = 0;
  do {
    status = ::fallocate(descriptor, 0, 0, static_cast<off_t>(bytes));
  } while (status != 0 && errno == EINTR);
  check<DeviceError>(status == 0, [&] {
    return Complaint{fmt::format("shared memory: {} bytes could not be reserved: {}", bytes,
                                 std::strerror(errno)),
                     less_memory};
  });
}

}  // namespace

void require_memory(std::uint64_t bytes, const std::string& purpose, const MemoryLimit& limit) {
  check<DeviceError>(bytes <= limit.bytes, [&] {
    return Complaint{fmt::format("shared memory: {} needs {} bytes on this host, {} are left ({})",
                                 purpose, bytes, limit.bytes, limit.from),
                     less_memory};
  });
}

ShmSegment ShmSegment::made(std::size_t bytes) {
  FileDescriptor descriptor(::memfd_create("lockstep", MFD_CLOEXEC));
  check<DeviceError>(static_cast<bool>(descriptor), [&] {
    return Complaint{fmt::format("memfd_create: {}", std::strerror(errno)),
                     "allow memfd_create and more open files (ulimit -n) for this process"};
  });
  bytes = whole_pages(bytes);
  check<DeviceError>(::ftruncate(descriptor.value(), static_cast<off_t>(bytes)) == 0, [&] {
    return Complaint{fmt::format("shared memory of {} bytes: {}", bytes, std::strerror(errno)),
                     less_memory};
  });
  ShmSegment segment(std::move(descriptor), bytes);
  reserve(segment.descriptor(), bytes);
  // Where the system lets a program ask for it, its pages become huge ones; a refusal costs speed.
  if (bytes >= huge_page) ::madvise(segment.data(), bytes, collapse);
  return segment;
}

ShmSegment ShmSegment::received(FileDescriptor descriptor, std::size_t bytes) {
  ShmSegment segment(std::move(descriptor), whole_pages(bytes));
  segment.forget_descriptor();
  return segment;
}

ShmSegment::ShmSegment(FileDescriptor descriptor, std::size_t bytes)
    : descriptor_(std::move(descriptor)) {
  void* const data = mapped(bytes, descriptor_.value());
  check<DeviceError>(data != MAP_FAILED, [&] {
    return Complaint{
        fmt::format("mmap of {} bytes of shared memory: {}", bytes, std::strerror(errno)),
        "raise this process's limit of address space (ulimit -v) or of mappings"};
  });
  mapping_ = Handle<MappingTraits>(Mapping{data, bytes});
  // Huge pages from the first touch on, and one entry of the page table for each on the peers'
  // side.
  if (bytes >= huge_page) ::madvise(data, bytes, MADV_HUGEPAGE);
}

}  // namespace lockstep::comm
