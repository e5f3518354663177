// Checkpoints: all that a run needs to go on bit for bit, in one folder that appears at once.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lockstep/comm/communicator.h"
#include "lockstep/tensor/state.h"

namespace lockstep::parallel {

// Names and values on which the bits of a run depend: "shards", "threads", "backend", ...
using Configuration = std::map<std::string, std::string>;

// How far a run has come.
struct Progress {
  std::int64_t step = 0;      // updates done
  std::uint64_t seed = 0;     // of the random keys
  std::int64_t epoch = 0;     // of the data cursor
  std::int64_t position = 0;  // samples of the epoch that are done

  friend bool operator==(const Progress&, const Progress&) = default;
};

// What is saved, and the place where it is loaded to: the tensors are handles on the model's and
// the optimizer's own memory (Module::state(), Optimizer::state()).
struct Checkpoint {
  State model;
  State optimizer;
  Progress progress;
  Configuration configuration;
};

struct SaveOptions {
  int keep = 3;  // newest checkpoints that stay; 0: all
};

// Writes folder/step-N, N = progress.step. Rank 0 writes what *it* holds, to a folder of another
// name, syncs it and publishes it with one rename: a crash or a full disk at any moment leaves the
// older ones as they were. Every rank calls it and leaves when it is done; a failure of rank 0 is
// an IoError on all ranks. Returns the folder.
std::filesystem::path save_checkpoint(const std::filesystem::path& folder,
                                      const Checkpoint& checkpoint, comm::Communicator& ranks,
                                      const SaveOptions& options = {});

// Loads the newest checkpoint of `folder`, or the one that `folder` itself is, into `into`. Every
// rank calls it; rank 0 reads and the others get its bytes. Sizes and checksums of all files are
// checked before the first tensor changes. False, and nothing changed, where there is none. IoError
// where it is damaged, of another version or of another model (naming the first tensor that
// differs).
[[nodiscard]] bool load_checkpoint(const std::filesystem::path& folder, Checkpoint& into,
                                   comm::Communicator& ranks);

// The newest complete checkpoint of `folder` as this process sees it.
std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& folder);

// One line for every name whose value differs: "threads: 1 when it was saved, 2 now".
std::vector<std::string> differences(const Configuration& saved, const Configuration& now);

}  // namespace lockstep::parallel
