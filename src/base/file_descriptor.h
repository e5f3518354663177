// A file descriptor that is closed by its owner.
#pragma once

#include <unistd.h>

#include "lockstep/base/handle.h"

namespace lockstep {

struct FileDescriptorTraits {
  using type = int;
  static int empty() { return -1; }
  static void release(int descriptor) noexcept { ::close(descriptor); }
};
using FileDescriptor = Handle<FileDescriptorTraits>;

}  // namespace lockstep
