// Structures of models as JSON files, and folders that hold a whole model: model.json beside
// model.safetensors.
#pragma once

#include <filesystem>

#include "lockstep/tensor/graph_spec.h"
#include "lockstep/tensor/state.h"

namespace lockstep::io {

// docs/importing.md describes the format. The file appears whole or not at all.
void save_graph(const std::filesystem::path& file, const GraphSpec& graph);
// IoError names the file and what is wrong with it; whether the layers fit is for nn::Graph to say.
GraphSpec load_graph(const std::filesystem::path& file);

// Makes `folder` with model.json and model.safetensors in one step: written beside it and renamed.
// UsageError where something of that name exists.
void save_model(const std::filesystem::path& folder, const GraphSpec& graph, const State& state);

}  // namespace lockstep::io
