#include "src/comm/device_choice.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/core/platform.h"
#include "lockstep/obs/log.h"

namespace lockstep::comm {
namespace {

constexpr std::size_t most_devices = 63;
using Row = std::array<std::int64_t, most_devices + 1>;  // the count, then the devices

Row row_of(core::Platform& platform) {
  Row row{};
  const int devices = std::min(platform.devices(), static_cast<int>(most_devices));
  row[0] = devices;
  for (int device = 0; device < devices; ++device)
    row[static_cast<std::size_t>(device) + 1] = platform.identity(device);
  return row;
}

std::vector<std::vector<std::int64_t>> gathered(Communicator& ranks, const Row& mine) {
  std::vector<Row> rows(static_cast<std::size_t>(ranks.size()));
  const auto each = static_cast<std::int64_t>(mine.size());
  ranks
      .all_gather({mine.data(), each, DType::i64},
                  {rows.data(), each * ranks.size(), DType::i64, {}, {}},
                  core::current_stream(Device{}))
      .wait();
  std::vector<std::vector<std::int64_t>> seen;
  for (const Row& row : rows) seen.emplace_back(row.begin() + 1, row.begin() + 1 + row[0]);
  return seen;
}

// A rank without the plug-in tells the others before it says why.
std::vector<std::vector<std::int64_t>> seen_by_all(Communicator& ranks, DeviceType type) {
  std::optional<DeviceError> missing;
  Row mine{};
  try {
    mine = row_of(core::platform(type));
  } catch (const DeviceError& error) {
    missing = error;
  }
  auto seen = gathered(ranks, mine);
  if (missing) throw DeviceError(*missing);
  return seen;
}

}  // namespace

std::vector<int> chosen_devices(std::span<const std::vector<std::int64_t>> seen, bool may_share) {
  std::vector<int> chosen;
  std::map<std::int64_t, int> ranks_on;
  for (std::size_t rank = 0; rank < seen.size(); ++rank) {
    const auto& devices = seen[rank];
    check<DeviceError>(!devices.empty(), [&] {
      return Complaint{fmt::format("World: rank {} sees no CUDA device", rank),
                       "start ranks on hosts with one, or take the device cpu"};
    });
    const auto best =
        std::min_element(devices.begin(), devices.end(),
                         [&](std::int64_t a, std::int64_t b) { return ranks_on[a] < ranks_on[b]; });
    check<DeviceError>(may_share || ranks_on[*best] == 0, [&] {
      return Complaint{
          fmt::format("World: no CUDA device is left for rank {}; it sees {}, and other ranks have "
                      "{}",
                      rank, devices.size(), devices.size() == 1 ? "it" : "them"),
          "start no more ranks on a host than it has devices; to try things out, "
          "LOCKSTEP_ALLOW_GPU_SHARING=1 lets ranks share them"};
    });
    ++ranks_on[*best];
    chosen.push_back(static_cast<int>(best - devices.begin()));
  }
  return chosen;
}

Device device_for(Communicator& ranks, Device asked) {
  if (asked.type == DeviceType::cpu || ranks.size() == 1) return asked;
  const bool may_share = integer_setting("LOCKSTEP_ALLOW_GPU_SHARING", 0, 0, 1) == 1;
  const auto chosen = chosen_devices(seen_by_all(ranks, asked.type), may_share);
  const Device device{asked.type, chosen[static_cast<std::size_t>(ranks.rank())]};
  obs::info(
      fmt::format("rank {} of {} computes on {}", ranks.rank(), ranks.size(), name_of(device)));
  return device;
}

}  // namespace lockstep::comm
