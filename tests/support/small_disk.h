// A disk of 1 MiB that a test fills up.
#pragma once

#include <sys/mount.h>

#include <filesystem>

#include "tests/support/scratch.h"

namespace lockstep::tests {

// Needs the right to mount; is_there() is false without it.
class SmallDisk {
 public:
  SmallDisk()
      : is_mounted_(::mount("none", scratch_.folder().c_str(), "tmpfs", 0, "size=1m") == 0) {}
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (is_mounted_) ::umount2(scratch_.folder().c_str(), MNT_DETACH);
  }

  bool is_there() const { return is_mounted_; }
  const std::filesystem::path& folder() const { return scratch_.folder(); }

 private:
  Scratch scratch_;
  bool is_mounted_;
};

}  // namespace lockstep::tests
