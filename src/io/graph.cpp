#include "lockstep/io/graph.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <system_error>
#include <vector>

#include "lockstep/base/error.h"
#include "lockstep/io/atomic_file.h"
#include "lockstep/io/safetensors.h"
#include "src/obs/file.h"

namespace lockstep::io {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr const char* format = "lockstep.graph";
constexpr int version = 1;

ordered_json json_of(const Attributes& attributes) {
  ordered_json object = ordered_json::object();
  for (const auto& [name, attribute] : attributes) {
    std::visit(
        [&, &key = name](const auto& value) {
          if constexpr (std::is_same_v<std::decay_t<decltype(value)>, double>) {
            // JSON has no infinity.
            if (std::isinf(value)) {
              object[key] = value > 0 ? "inf" : "-inf";
              return;
            }
          }
          object[key] = value;
        },
        attribute);
  }
  return object;
}

ordered_json json_of(const GraphNode& node) {
  ordered_json object = {{"name", node.name}, {"inputs", node.inputs}};
  if (!node.shares.empty()) {
    object["shares"] = node.shares;
    return object;
  }
  object["kind"] = node.layer.kind;
  if (!node.layer.attributes.empty()) object["attributes"] = json_of(node.layer.attributes);
  return object;
}

ordered_json json_of(const GraphSpec& graph) {
  ordered_json object = {{"format", format}, {"version", version}};
  object["inputs"] = ordered_json::array();
  for (const GraphInput& input : graph.inputs) {
    object["inputs"].push_back(
        {{"name", input.name}, {"shape", input.shape}, {"dtype", name_of(input.dtype)}});
  }
  object["nodes"] = ordered_json::array();
  for (const GraphNode& node : graph.nodes) object["nodes"].push_back(json_of(node));
  object["outputs"] = graph.outputs;
  if (!graph.training.empty()) object["training"] = json_of(graph.training);
  return object;
}

// Takes the JSON apart; every complaint names the place.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : file_(file) {}

  GraphSpec graph(const json& object) const {
    check_keys(object, "the model",
               {"format", "version", "inputs", "nodes", "outputs", "training"});
    if (text(object, "format", "the model") != format) refuse("its format is not lockstep.graph");
    if (object.value("version", json()) != version) {
      refuse(fmt::format("its version is {}, known is {}", shown(object.value("version", json())),
                         version));
    }
    GraphSpec spec;
    for (const json& each : list(object, "inputs", "the model")) spec.inputs.push_back(input(each));
    for (const json& each : list(object, "nodes", "the model")) spec.nodes.push_back(node(each));
    spec.outputs = names(object, "outputs", "the model");
    if (object.contains("training")) spec.training = attributes(object["training"], "training");
    return spec;
  }
  [[noreturn]] void refuse(const std::string& what) const {
    throw IoError({"model.json: " + file_.string() + ": " + what,
                   "docs/importing.md describes the format; save or import the model again"});
  }

 private:
  static std::string shown(const json& value) {
    return value.dump(-1, ' ', true, json::error_handler_t::replace).substr(0, 80);
  }
  const json& member(const json& object, const char* key, const std::string& where) const {
    const auto found = object.find(key);
    if (found == object.end()) refuse(fmt::format("{} lacks \"{}\"", where, key));
    return *found;
  }
  std::string text(const json& object, const char* key, const std::string& where) const {
    const json& value = member(object, key, where);
    if (!value.is_string()) refuse(fmt::format("\"{}\" of {} is not a text", key, where));
    return value.get<std::string>();
  }
  const json& list(const json& object, const char* key, const std::string& where) const {
    const json& value = member(object, key, where);
    if (!value.is_array()) refuse(fmt::format("\"{}\" of {} is not a list", key, where));
    return value;
  }
  std::vector<std::string> names(const json& object, const char* key,
                                 const std::string& where) const {
    std::vector<std::string> all;
    for (const json& each : list(object, key, where)) {
      if (!each.is_string()) refuse(fmt::format("\"{}\" of {} holds {}", key, where, shown(each)));
      all.push_back(each.get<std::string>());
    }
    return all;
  }
  void check_keys(const json& object, const std::string& where,
                  const std::vector<std::string>& known) const {
    if (!object.is_object()) refuse(where + " is not an object");
    for (const auto& [key, value] : object.items()) {
      if (std::find(known.begin(), known.end(), key) == known.end()) {
        refuse(fmt::format("{} has the unknown key {}", where, shown(key)));
      }
    }
  }
  std::int64_t integer(const json& value, const std::string& where) const {
    constexpr std::uint64_t largest = std::numeric_limits<std::int64_t>::max();
    const bool is_too_large = value.is_number_unsigned() && value.get<std::uint64_t>() > largest;
    if (!value.is_number_integer() || is_too_large)
      refuse(fmt::format("{} holds {}, not a whole number", where, shown(value)));
    return value.get<std::int64_t>();
  }
  std::vector<std::int64_t> integers(const json& values, const std::string& where) const {
    std::vector<std::int64_t> all;
    for (const json& value : values) all.push_back(integer(value, where));
    return all;
  }
  Attribute attribute(const json& value, const std::string& where) const {
    if (value.is_boolean()) return value.get<bool>();
    if (value.is_number_float()) return value.get<double>();
    if (value.is_number()) return integer(value, where);
    if (value == "inf") return std::numeric_limits<double>::infinity();
    if (value == "-inf") return -std::numeric_limits<double>::infinity();
    if (value.is_string()) return value.get<std::string>();
    if (!value.is_array()) refuse(fmt::format("{} is {}", where, shown(value)));
    return integers(value, where);
  }
  Attributes attributes(const json& object, const std::string& where) const {
    if (!object.is_object()) refuse(where + " is not an object");
    Attributes all;
    for (const auto& [key, value] : object.items()) {
      all[key] = attribute(value, fmt::format("{} of {}", shown(key), where));
    }
    return all;
  }
  GraphInput input(const json& object) const {
    check_keys(object, "an input", {"name", "shape", "dtype"});
    GraphInput result{text(object, "name", "an input"),
                      integers(list(object, "shape", "an input"), "the shape of an input")};
    const std::string dtype = text(object, "dtype", "an input");
    const auto* const found = std::find_if(std::begin(all_dtypes), std::end(all_dtypes),
                                           [&](DType each) { return name_of(each) == dtype; });
    if (found == std::end(all_dtypes)) refuse("an input has the unknown dtype " + shown(dtype));
    result.dtype = *found;
    return result;
  }
  GraphNode node(const json& object) const {
    check_keys(object, "a node", {"name", "kind", "inputs", "attributes", "shares"});
    GraphNode result{text(object, "name", "a node"), {}};
    const std::string where = "node " + shown(result.name);
    result.inputs = names(object, "inputs", where);
    if (object.contains("shares")) {
      check_keys(object, where + ", which shares a layer,", {"name", "inputs", "shares"});
      result.shares = text(object, "shares", where);
      return result;
    }
    result.layer.kind = text(object, "kind", where);
    if (object.contains("attributes")) {
      result.layer.attributes = attributes(object["attributes"], "the attributes of " + where);
    }
    return result;
  }

  const std::filesystem::path& file_;
};

}  // namespace

void save_graph(const std::filesystem::path& file, const GraphSpec& graph) {
  try {
    replace_file(file, json_of(graph).dump(2) + "\n");
  } catch (const json::exception& error) {
    throw UsageError(
        {fmt::format("save_graph: a name is not UTF-8 ({})", error.what()), "use names in UTF-8"});
  }
}

GraphSpec load_graph(const std::filesystem::path& file) {
  const Reader reader(file);
  const std::string text = obs::read_text(file);
  constexpr int deepest = 6;
  try {
    return reader.graph(json::parse(text, [&](int depth, json::parse_event_t, json&) {
      if (depth > deepest) reader.refuse("it is nested too deeply");
      return true;
    }));
  } catch (const json::exception& error) {
    reader.refuse(fmt::format("it is not valid JSON ({})", error.what()));
  }
}

void save_model(const std::filesystem::path& folder, const GraphSpec& graph, const State& state) {
  std::error_code status;
  check<UsageError>(!std::filesystem::exists(folder, status), [&] {
    return Complaint{"save_model: " + folder.string() + " exists",
                     "name a new folder, or remove that one"};
  });
  const std::string name = (folder / "").parent_path().string();
  const std::filesystem::path temporary = name + ".tmp-" + std::to_string(::getpid());
  try {
    save_safetensors(temporary / "model.safetensors", state, {{"format", format}});
    save_graph(temporary / "model.json", graph);
    std::filesystem::rename(temporary, name, status);
    if (status) obs::fail("making the folder", folder, status.value());
  } catch (...) {
    std::filesystem::remove_all(temporary, status);
    throw;
  }
  sync_folder(std::filesystem::path(name).parent_path());
}

}  // namespace lockstep::io
