#include "src/comm/job.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "lockstep/base/config.h"
#include "lockstep/comm/transport.h"
#include "lockstep/obs/log.h"

namespace lockstep::comm {
namespace {

std::string asked_transport() {
  constexpr std::array<std::string_view, 4> known{"auto", "mpi", "shm", "hybrid"};
  std::string asked = setting("LOCKSTEP_TRANSPORT").value_or("auto");
  check<UsageError>(std::find(known.begin(), known.end(), asked) != known.end(), [&] {
    return Complaint{fmt::format("environment: LOCKSTEP_TRANSPORT={} is no transport", asked),
                     "give auto, mpi, shm or hybrid"};
  });
  return asked;
}

std::unique_ptr<Communicator> fastest(MpiCommunicator& launcher, const std::string& asked) {
  const bool is_one_host = launcher.local_size() == launcher.size();
  check<UsageError>(is_one_host || asked != "shm", [&] {
    return Complaint{
        fmt::format("environment: LOCKSTEP_TRANSPORT=shm joins the ranks of one host, but {} of "
                    "the {} ranks are on other hosts than rank {}",
                    launcher.size() - launcher.local_size(), launcher.size(), launcher.rank()),
        "leave LOCKSTEP_TRANSPORT out or give hybrid: both use shared memory inside each host"};
  });
  if (asked == "shm" || (asked == "auto" && is_one_host)) return shm(launcher);
  return hybrid(launcher.duplicate());
}

}  // namespace

Job joined_job(std::optional<int> mpi_communicator) {
  const std::string asked = asked_transport();
  auto launcher = MpiCommunicator::joined(mpi_communicator);
  if (asked == "mpi") return {nullptr, std::move(launcher)};
  try {
    auto ranks = fastest(*launcher, asked);
    return {std::move(launcher), std::move(ranks)};
  } catch (const DeviceError& error) {
    if (asked != "auto") throw;
    if (launcher->rank() == 0)
      obs::warning(
          fmt::format("shared memory is not used, all data go over MPI: {}", error.problem()));
    return {nullptr, std::move(launcher)};
  }
}

}  // namespace lockstep::comm
