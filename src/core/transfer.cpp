#include "lockstep/core/transfer.h"

#include <fmt/format.h>

#include <cstring>

#include "lockstep/base/error.h"
#include "src/core/staging.h"

namespace lockstep::core {
namespace {

void between_devices(const Buffer& to, const ConstBuffer& from) {
  Stream &source = current_stream(from.device), &target = current_stream(to.device);
  if (from.device == to.device) return target.copy(to.data, from.data, to.bytes());
  target.wait_for(source.record());
  target.copy(to.data, from.data, to.bytes());
  source.wait_for(target.record());  // before it writes `from` anew
}

}  // namespace

void transfer(const Buffer& to, const ConstBuffer& from) {
  check<UsageError>(to.count == from.count && to.dtype == from.dtype, [&] {
    return Complaint{fmt::format("transfer: {} elements of {} into {} of {}", from.count,
                                 name_of(from.dtype), to.count, name_of(to.dtype)),
                     "give a buffer of the same count and type"};
  });
  if (to.count == 0) return;
  const bool is_from_host = from.device == Device{}, is_to_host = to.device == Device{};
  if (is_from_host && is_to_host) {
    std::memcpy(to.data, from.data, to.bytes());
  } else if (is_from_host) {
    upload(platform(to.device), to.device.index, to.data, from.data, to.bytes());
  } else if (is_to_host) {
    download(platform(from.device), from.device.index, to.data, from.data, to.bytes());
  } else {
    between_devices(to, from);
  }
}

}  // namespace lockstep::core
