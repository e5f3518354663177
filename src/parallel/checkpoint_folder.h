// Checkpoints in the file system, as one process handles them: written, published, found, verified.
#pragma once

#include <filesystem>
#include <optional>

#include "lockstep/parallel/checkpoint.h"
#include "src/parallel/checkpoint_manifest.h"

namespace lockstep::parallel {

inline constexpr const char* model_name = "model.safetensors";
inline constexpr const char* optimizer_name = "optimizer.safetensors";

// "step-N" in `folder`.
std::filesystem::path checkpoint_path(const std::filesystem::path& folder, std::int64_t step);
// Writes a checkpoint and removes older ones beyond `options.keep` and leftovers of dead processes.
void write_checkpoint(const std::filesystem::path& folder, const Checkpoint& checkpoint,
                      const SaveOptions& options);
// The checkpoint that `place` means: the newest in it, or itself; nothing where there is none.
std::optional<std::filesystem::path> find_checkpoint(const std::filesystem::path& place);
// Reads its manifest, which is whole and has a checksum of its own.
Manifest manifest_of(const std::filesystem::path& path);
// Reads the manifest and compares every file with it. IoError names what does not fit, and the
// newest older checkpoint that is good.
Manifest verify_checkpoint(const std::filesystem::path& path);

}  // namespace lockstep::parallel
