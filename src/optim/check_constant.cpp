#include "src/optim/check_constant.h"

#include <fmt/format.h>

#include "lockstep/base/error.h"

namespace lockstep::optim {

void check_constant(const char* who, const char* name, double value, double low, double high) {
  check<UsageError>(low <= value && value < high, [&] {
    return Complaint{fmt::format("{}: {} is {}", who, name, value),
                     high == unbounded ? fmt::format("give a finite number of at least {}", low)
                                       : fmt::format("give a number in [{}, {})", low, high)};
  });
}

}  // namespace lockstep::optim
