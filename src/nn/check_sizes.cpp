#include "src/nn/check_sizes.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep::nn {

void check_sizes(const char* layer, std::initializer_list<NamedSize> sizes) {
  for (const NamedSize& size : sizes) {
    check<UsageError>(size.size > 0, [&] {
      return Complaint{fmt::format("{}: {} is {}", layer, size.name, size.size),
                       fmt::format("give {} a size of at least 1", size.name)};
    });
  }
}

}  // namespace lockstep::nn
