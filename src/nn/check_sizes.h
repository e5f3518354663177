// The check of the sizes that layers are made with.
#pragma once

#include <cstdint>
#include <initializer_list>

namespace lockstep::nn {

struct NamedSize {
  const char* name;
  std::int64_t size;
};
// UsageError naming the first size that is not positive.
void check_sizes(const char* layer, std::initializer_list<NamedSize> sizes);

}  // namespace lockstep::nn
