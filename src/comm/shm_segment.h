// A piece of memory that several processes map: nameless, so that it goes with its last user,
// however that ends.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "src/base/file_descriptor.h"
#include "src/comm/host_memory.h"

namespace lockstep::comm {

struct Mapping {
  void* data = nullptr;
  std::size_t bytes = 0;
  friend bool operator==(const Mapping&, const Mapping&) = default;
};
struct MappingTraits {
  using type = Mapping;
  static type empty() { return {}; }
  static void release(type mapping) noexcept { ::munmap(mapping.data, mapping.bytes); }
};

class ShmSegment {
 public:
  // Every segment begins at a multiple of this, in every process. AMD's first-level caches tell
  // lines apart by bits 12 to 27 of their addresses: two streams that differ in higher bits only
  // evict each other's every line (measured: 10 times slower). With addresses that agree in all of
  // these bits, the ranks' offsets within their segments keep them apart. Huge pages are aligned as
  // well.
  static constexpr std::size_t address_alignment = std::size_t{256} << 20;
  // Where a rank's data begin in its segment: on a page of its own.
  static std::size_t first_byte_of(int rank) { return static_cast<std::size_t>(rank) * 4096; }

  // Zeroes. All of its pages are reserved here, so that no later access can fail. DeviceError where
  // the system has no memory for it.
  static ShmSegment made(std::size_t bytes);
  // The segment behind a descriptor that another process sent.
  static ShmSegment received(FileDescriptor descriptor, std::size_t bytes);

  std::byte* data() const { return static_cast<std::byte*>(mapping_.value().data); }
  std::size_t bytes() const { return mapping_.value().bytes; }
  // To send it to the others; until forget_descriptor().
  int descriptor() const { return descriptor_.value(); }
  void forget_descriptor() { descriptor_.reset(); }

 private:
  ShmSegment(FileDescriptor descriptor, std::size_t bytes);

  FileDescriptor descriptor_;
  Handle<MappingTraits> mapping_;
};

// DeviceError unless `bytes`, which `purpose` asks for, fit into `limit`.
void require_memory(std::uint64_t bytes, const std::string& purpose, const MemoryLimit& limit);

}  // namespace lockstep::comm
