#include "lockstep/parallel/configuration.h"

#include <fmt/format.h>

#include <charconv>
#include <string>

#include "lockstep/base/config.h"
#include "lockstep/base/error.h"
#include "lockstep/core/parallel_for.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/version.h"
#include "src/parallel/checkpoint_folder.h"
#include "src/parallel/from_root.h"

namespace lockstep::parallel {
namespace {

std::string description_of(DeviceType device) {
  const kernels::BackendStatus backend = kernels::backend_status(device);
  return backend.name + ", " + backend.description;
}

// What the math libraries choose their kernels by.
std::string instruction_sets() {
  std::string names;
  const auto add = [&](bool is_there, const char* name) {
    if (!is_there) return;
    if (!names.empty()) names += ' ';
    names += name;
  };
#if defined(__x86_64__)
  add(__builtin_cpu_supports("avx2") != 0, "avx2");
  add(__builtin_cpu_supports("fma") != 0, "fma");
  add(__builtin_cpu_supports("avx512f") != 0, "avx512f");
  add(__builtin_cpu_supports("avx512bw") != 0, "avx512bw");
  add(__builtin_cpu_supports("avx512vnni") != 0, "avx512vnni");
  add(__builtin_cpu_supports("avx512bf16") != 0, "avx512bf16");
#endif
  return names.empty() ? "none" : names;
}

// The number that a checkpoint gives; 0 where it gives none.
int number_in(const Configuration& saved, const std::string& name) {
  const auto found = saved.find(name);
  int number = 0;
  if (found != saved.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

void use_pinned_threads(int pinned) {
  if (pinned < 1) return;
  if (!setting("LOCKSTEP_THREADS")) return core::use_threads(pinned);
  check<UsageError>(core::threads() >= pinned, [&] {
    return Complaint{
        fmt::format("resume: LOCKSTEP_THREADS={}, but the checkpoint was made with {} threads a "
                    "rank, and its bits need as many",
                    core::threads(), pinned),
        fmt::format("unset LOCKSTEP_THREADS, or set it to {}", pinned)};
  });
}

}  // namespace

bool use_pinned(World& world, const std::filesystem::path& folder) {
  const std::string text = from_root(world.communicator(), [&] {
    const auto path = find_checkpoint(folder);
    return path ? text_of(manifest_of(*path)) : std::string();
  });
  if (text.empty()) return false;
  const Configuration saved = manifest_from(text, folder).configuration;
  const int shards = number_in(saved, "shards");
  if (shards >= 1 && !world.are_shards_chosen()) world.use_shards(shards);
  use_pinned_threads(number_in(saved, "threads"));
  return true;
}

Configuration configuration_of(const World& world, const DataParallelOptions& options) {
  return {{"shards", std::to_string(world.shards().total)},
          {"threads", std::to_string(core::threads())},
          {"seed", std::to_string(options.seed)},
          {"backend", description_of(world.device().type)},
          {"instruction sets", instruction_sets()},
          {"sums", options.mode == SumMode::lockstep ? "lockstep" : "fast"},
          {"version", version()}};
}

}  // namespace lockstep::parallel
