// Fetches what the next piece of work reads into the second-level cache, a little at a time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace lockstep::kernels::cpu {

class Ahead {
 public:
  // Everything added is spread over `pieces` calls of fetch().
  explicit Ahead(std::int64_t pieces) : pieces_(std::max<std::int64_t>(pieces, 1)) {}

  template <class T> void add(const T* data, std::int64_t count) {
    if (data == nullptr || ranges_ == most_ranges) return;
    Range& range = range_[ranges_++];
    range.at = reinterpret_cast<const char*>(data);
    range.end = reinterpret_cast<const char*>(data + count);
    range.piece = (range.end - range.at) / pieces_ + line;
  }

  void fetch() {
    for (int i = 0; i < ranges_; ++i) {
      const char* end = std::min(range_[i].end, range_[i].at + range_[i].piece);
      for (; range_[i].at < end; range_[i].at += line) __builtin_prefetch(range_[i].at, 0, 2);
    }
  }

 private:
  static constexpr int most_ranges = 3;
  static constexpr std::ptrdiff_t line = 64;

  struct Range {
    const char* at;
    const char* end;
    std::ptrdiff_t piece;
  };

  std::int64_t pieces_;
  Range range_[most_ranges];
  int ranges_ = 0;
};

}  // namespace lockstep::kernels::cpu
