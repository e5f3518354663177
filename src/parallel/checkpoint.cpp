#include "lockstep/parallel/checkpoint.h"

#include <fmt/format.h>

#include <set>

#include "lockstep/base/error.h"
#include "lockstep/core/stream.h"
#include "lockstep/io/safetensors.h"
#include "lockstep/obs/activity.h"
#include "lockstep/obs/trace.h"
#include "lockstep/tensor/views.h"
#include "src/parallel/checkpoint_folder.h"
#include "src/parallel/from_root.h"
#include "src/parallel/tensor_buffer.h"

namespace lockstep::parallel {
namespace {

void broadcast(comm::Communicator& ranks, const Tensor& x) {
  const bool is_direct = x.device() == Device{} && x.is_contiguous();
  const Tensor host = is_direct ? x : copied_to(x, Device{});
  ranks.broadcast(buffer_of(host), 0, core::current_stream({})).wait();
  if (!is_direct)
    copy_elements(host.device() == x.device() ? host : copied_to(host, x.device()), x);
  x.mark_mutated();
}

}  // namespace

std::filesystem::path save_checkpoint(const std::filesystem::path& folder,
                                      const Checkpoint& checkpoint, comm::Communicator& ranks,
                                      const SaveOptions& options) {
  const obs::TraceScope trace("checkpoint", "save", -1, checkpoint.progress.step);
  const obs::Activity activity("checkpoint.save");
  return from_root(ranks, [&] {
    write_checkpoint(folder, checkpoint, options);
    return checkpoint_path(folder, checkpoint.progress.step).string();
  });
}

bool load_checkpoint(const std::filesystem::path& folder, Checkpoint& into,
                     comm::Communicator& ranks) {
  const obs::TraceScope trace("checkpoint", "load");
  const obs::Activity activity("checkpoint.load");
  std::optional<std::filesystem::path> path;
  const std::string text = from_root(ranks, [&] {
    path = find_checkpoint(folder);
    if (!path) return std::string();
    const Manifest manifest = verify_checkpoint(*path);
    io::SafetensorsFile(*path / model_name).check_matches(into.model);
    io::SafetensorsFile(*path / optimizer_name).check_matches(into.optimizer);
    return text_of(manifest);
  });
  if (text.empty()) return false;
  from_root(ranks, [&] {
    io::SafetensorsFile(*path / model_name).load(into.model);
    io::SafetensorsFile(*path / optimizer_name).load(into.optimizer);
    return std::string();
  });
  for (const State* state : {&into.model, &into.optimizer}) {
    for (const auto& [name, x] : *state) broadcast(ranks, x);
  }
  const Manifest manifest = manifest_from(text, folder);
  into.progress = manifest.progress;
  into.configuration = manifest.configuration;
  return true;
}

std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder) {
  return find_checkpoint(folder);
}

std::vector<std::string> differences(const Configuration& saved, const Configuration& now) {
  std::set<std::string> names;
  for (const auto& [name, value] : saved) names.insert(name);
  for (const auto& [name, value] : now) names.insert(name);
  const auto value_in = [](const Configuration& values, const std::string& name) {
    const auto found = values.find(name);
    return found == values.end() ? std::string("unset") : found->second;
  };
  std::vector<std::string> lines;
  for (const std::string& name : names) {
    const std::string before = value_in(saved, name);
    const std::string after = value_in(now, name);
    if (before == after) continue;
    lines.push_back(fmt::format("{}: {} when it was saved, {} now", name, before, after));
  }
  return lines;
}

}  // namespace lockstep::parallel
