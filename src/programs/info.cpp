// lockstep-info: what is installed here, what it can use, and who takes part.
#include <fmt/core.h>
#include <mpi.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "lockstep/base/config.h"
#include "lockstep/comm/world.h"
#include "lockstep/core/parallel_for.h"
#include "lockstep/core/plugin.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/version.h"
#include "src/comm/flight_recorder.h"
#include "src/programs/command_line.h"
#include "src/programs/flight_report.h"

namespace lockstep::programs {
namespace {

void section(const std::string& name) { fmt::print("\n{}\n", name); }
void line(const std::string& name, const std::string& text) {
  fmt::print("  {:<14} {}\n", name, text);
}

void print_build() {
  section("Build");
  line("version", version());
  line("type", LOCKSTEP_BUILD_TYPE);
  line("compiler", LOCKSTEP_COMPILER);
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> mpi{};
  int length = 0;
  MPI_Get_library_version(mpi.data(), &length);  // may be called before MPI_Init
  const std::string text = mpi.data();
  line("MPI", text.substr(0, text.find_first_of(",\n")));
}

void print_backends() {
  section("Backends");
  for (const auto& backend : kernels::backends()) {
    line(backend.name, (backend.is_available ? "" : "not available: ") + backend.description);
  }
  std::string folders;
  for (const std::string& folder : core::plugin_folders())
    folders += (folders.empty() ? "" : ":") + folder;
  line("looked for in", folders);
}

// The value of the first line "key : value" of /proc/cpuinfo.
std::string processor_property(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string text; std::getline(file, text);) {
    const auto colon = text.find(": ");
    if (text.starts_with(key) && colon != std::string::npos) return text.substr(colon + 2);
  }
  return "unknown";
}

void print_processor() {
  section("Processor");
  line("model", processor_property("model name"));
  line("cores", fmt::format("{} online", sysconf(_SC_NPROCESSORS_ONLN)));
  std::istringstream flags(processor_property("flags"));
  std::string features;
  for (std::string flag; flags >> flag;) {
    for (const char* family : {"avx", "fma", "f16c", "amx"}) {
      if (flag.starts_with(family)) features += (features.empty() ? "" : " ") + flag;
    }
  }
  line("features", features.empty() ? "none that matters here" : features);
}

constexpr std::size_t name_bytes = 64;

// The host names of all ranks, in rank order.
std::vector<std::string> hosts_of(World& world) {
  std::array<char, name_bytes> mine{};
  gethostname(mine.data(), mine.size() - 1);
  std::vector<char> all(name_bytes * static_cast<std::size_t>(world.size()));
  const core::ConstBuffer in{mine.data(), static_cast<std::int64_t>(mine.size()), DType::u8};
  const core::Buffer out{all.data(), static_cast<std::int64_t>(all.size()), DType::u8};
  world.communicator().all_gather(in, out, core::current_stream({})).wait();
  std::vector<std::string> names;
  for (std::size_t at = 0; at < all.size(); at += name_bytes) names.emplace_back(&all[at]);
  return names;
}

void print_job(World& world, const std::vector<std::string>& hosts) {
  section("Job");
  line("ranks", fmt::format("{} over {}", world.size(), world.communicator().transport()));
  std::map<std::string, int> ranks_of_host;
  for (const std::string& host : hosts) ++ranks_of_host[host];
  for (const auto& [host, ranks] : ranks_of_host) {
    line("host", fmt::format("{}: {} rank{}", host, ranks, ranks == 1 ? "" : "s"));
  }
  line("device", fmt::format("{}, {} thread{} a rank", name_of(world.device()), core::threads(),
                             core::threads() == 1 ? "" : "s"));
  line("shards", fmt::format("{} of the global batch", world.shards().total));
}

void print_settings() {
  section("Settings (environment variables)");
  for (const Setting& each : settings()) {
    const auto value = setting(each.name);
    fmt::print("  {:<22} {} [{}]\n", each.name, each.meaning,
               value ? "now " + *value : std::string(each.fallback));
  }
}

void report(World& world) {
  const auto hosts = hosts_of(world);
  if (!world.is_root()) return;
  fmt::print("lockstep {}\n", version());
  print_build();
  print_backends();
  print_processor();
  print_job(world, hosts);
  print_settings();
}

}  // namespace
}  // namespace lockstep::programs

int main(int argc, char** argv) {
  using namespace lockstep::programs;
  CommandLine command_line("lockstep-info",
                           "Shows versions, backends, the processor, and the ranks of this job; or "
                           "what a job did before "
                           "it failed.");
  std::string flight;
  command_line.add({.name = "--flight",
                    .meaning = "tell from the files in DIR, which LOCKSTEP_FLIGHT_DIR named, which "
                               "rank failed or kept the others",
                    .value = "DIR"},
                   flight);
  if (const auto code = command_line.parse(argc, argv)) return *code;
  return lockstep::run(argc, argv, [&](lockstep::World& world) {
    if (flight.empty()) return report(world);
    if (world.is_root()) fmt::print("{}", flight_report(lockstep::comm::flights_in(flight)));
  });
}
