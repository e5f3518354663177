#include "lockstep/parallel/configuration.h"

#include "lockstep/core/parallel_for.h"
#include "lockstep/kernels/registry.h"
#include "lockstep/version.h"

namespace lockstep::parallel {
namespace {

std::string description_of(DeviceType device) {
  std::string name = device == DeviceType::cpu ? "cpu" : "cuda";
  for (const auto& backend : kernels::backends()) {
    if (backend.name == name) return name + ", " + backend.description;
  }
  return name;
}

}  // namespace

Configuration configuration_of(const World& world, const DataParallelOptions& options) {
  return {{"shards", std::to_string(world.shards().total)},
          {"threads", std::to_string(core::threads())},
          {"backend", description_of(world.device().type)},
          {"sums", options.mode == SumMode::lockstep ? "lockstep" : "fast"},
          {"version", version()}};
}

}  // namespace lockstep::parallel
