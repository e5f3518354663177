#include "src/parallel/checkpoint_folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <functional>
#include <mutex>
#include <string>
#include <system_error>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/io/atomic_file.h"
#include "lockstep/io/safetensors.h"
#include "src/obs/file.h"

namespace lockstep::parallel {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view prefix = "step-";
constexpr std::string_view mark = ".tmp-";

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || status != std::errc{} || end != text.data() + text.size()) return {};
  return number;
}

// N of "step-N".
std::optional<std::int64_t> step_of(const fs::path& path) {
  const std::string name = path.filename().string();
  if (!name.starts_with(prefix)) return {};
  return number_of(std::string_view(name).substr(prefix.size()));
}

// The steps of all published checkpoints, newest first.
std::vector<std::int64_t> published_steps(const fs::path& folder) {
  std::vector<std::int64_t> steps;
  std::error_code absent;
  for (const auto& entry : fs::directory_iterator(folder, absent)) {
    if (const auto step = step_of(entry.path()); step && entry.is_directory()) {
      steps.push_back(*step);
    }
  }
  std::sort(steps.begin(), steps.end(), std::greater<>());
  return steps;
}

// A name under which nobody looks for a checkpoint; it says whose it is.
fs::path temporary_name(const fs::path& path) {
  return path.string() + std::string(mark) + std::to_string(::getpid());
}

bool is_leftover(const std::string& name) {
  const auto at = name.find(mark);
  if (!name.starts_with(prefix) || at == std::string::npos) return false;
  const auto owner = number_of(std::string_view(name).substr(at + mark.size()));
  if (!owner) return false;
  return *owner == ::getpid() || (::kill(static_cast<pid_t>(*owner), 0) != 0 && errno == ESRCH);
}

void remove_leftovers(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (is_leftover(entry.path().filename().string())) found.push_back(entry.path());
  }
  for (const fs::path& path : found) fs::remove_all(path);
}

void write_files(const fs::path& path, const Checkpoint& checkpoint) {
  Manifest manifest{checkpoint.progress, checkpoint.configuration, {}};
  const io::Metadata metadata{{"step", std::to_string(checkpoint.progress.step)}};
  for (const auto& [name, state] :
       {std::pair{model_name, &checkpoint.model}, {optimizer_name, &checkpoint.optimizer}}) {
    RunningSum sum;
    io::save_safetensors(path / name, *state, metadata,
                         [&](const void* data, std::size_t bytes) { sum.add(data, bytes); });
    manifest.files[name] = sum.sum();
  }
  io::replace_file(path / manifest_name, text_of(manifest));
}

// One rename, or one exchange with a checkpoint of the same step, which is then removed.
void publish(const fs::path& temporary, const fs::path& path) {
  if (std::rename(temporary.c_str(), path.c_str()) != 0) {
    if (errno != ENOTEMPTY && errno != EEXIST) obs::fail("publishing", path, errno);
    if (::renameat2(AT_FDCWD, temporary.c_str(), AT_FDCWD, path.c_str(), RENAME_EXCHANGE) != 0) {
      obs::fail("replacing", path, errno);
    }
  }
  io::sync_folder(path.parent_path());
  fs::remove_all(temporary);
}

// A checkpoint loses its name before its files, so that no half-removed one is ever found.
void remove_older(const fs::path& folder, std::int64_t current, int keep) {
  int kept = 0;
  for (const std::int64_t step : published_steps(folder)) {
    if (keep == 0 || step >= current || ++kept < keep) continue;
    const fs::path path = checkpoint_path(folder, step);
    const fs::path temporary = temporary_name(path);
    fs::rename(path, temporary);
    fs::remove_all(temporary);
  }
}

}  // namespace

fs::path checkpoint_path(const fs::path& folder, std::int64_t step) {
  return folder / (std::string(prefix) + std::to_string(step));
}

void write_checkpoint(const fs::path& folder, const Checkpoint& checkpoint,
                      const SaveOptions& options) {
  check<UsageError>(checkpoint.progress.step >= 0 && options.keep >= 0, [&] {
    return Complaint{
        fmt::format("save_checkpoint: step {}, keep {}", checkpoint.progress.step, options.keep),
        "give a step and a number to keep of 0 or more"};
  });
  // One save of this process at a time: another would take its unfinished folder for a leftover.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const fs::path path = checkpoint_path(folder, checkpoint.progress.step);
  const fs::path temporary = temporary_name(path);
  try {
    fs::create_directories(folder);
    remove_leftovers(folder);
    fs::create_directory(temporary);
    write_files(temporary, checkpoint);
    publish(temporary, path);
    remove_older(folder, checkpoint.progress.step, options.keep);
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

std::optional<fs::path> find_checkpoint(const fs::path& place) {
  if (step_of(place) || fs::exists(place / manifest_name)) return place;
  const auto steps = published_steps(place);
  if (steps.empty()) return {};
  return checkpoint_path(place, steps.front());
}

namespace {

[[noreturn]] void refuse(const fs::path& path, const std::string& what) {
  throw IoError({fmt::format("load_checkpoint: {}: {}", path.string(), what),
                 "delete that folder, and start anew"});
}

Manifest verified(const fs::path& path) {
  Manifest manifest = manifest_of(path);
  for (const char* name : {model_name, optimizer_name}) {
    if (!manifest.files.contains(name))
      refuse(path, fmt::format("its manifest does not list {}", name));
  }
  for (const auto& [name, expected] : manifest.files) {
    if (!fs::exists(path / name)) refuse(path, fmt::format("{} is missing", name));
    const std::uint64_t bytes = fs::file_size(path / name);
    if (bytes != expected.bytes) {
      refuse(path, fmt::format("{} holds {} bytes, {} were saved", name, bytes, expected.bytes));
    }
    if (sum_of(path / name) != expected) {
      refuse(path, fmt::format("{} has changed since it was saved (its checksum differs)", name));
    }
  }
  return manifest;
}

// The newest checkpoint beside `path` that is older than it and whole.
std::optional<fs::path> good_one_before(const fs::path& path) {
  const fs::path folder = path.parent_path();
  for (const std::int64_t step : published_steps(folder)) {
    if (step >= step_of(path).value_or(0)) continue;
    try {
      verified(checkpoint_path(folder, step));
      return checkpoint_path(folder, step);
    } catch (const Error&) {
      continue;  // as damaged
    }
  }
  return {};
}

}  // namespace

Manifest manifest_of(const fs::path& path) {
  if (!fs::is_directory(path)) refuse(path, "there is no such checkpoint");
  if (!fs::exists(path / manifest_name)) {
    refuse(path, fmt::format("it is half written: it has no {}", manifest_name));
  }
  return manifest_from(obs::read_text(path / manifest_name), path / manifest_name);
}

Manifest verify_checkpoint(const fs::path& path) {
  try {
    return verified(path);
  } catch (const IoError& damage) {
    const auto good = good_one_before(path);
    if (!good) throw;
    throw IoError({damage.problem(), fmt::format("delete {} to go on from {}, which is whole",
                                                 path.string(), good->string())});
  }
}

}  // namespace lockstep::parallel
