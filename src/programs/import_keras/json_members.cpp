#include "src/programs/import_keras/json_members.h"

#include <fmt/format.h>

#include "src/programs/import_keras/refuse.h"

namespace lockstep::programs {

using nlohmann::json;

json parsed_json(const std::string& text, const std::string& what) {
  constexpr int deepest = 40;
  try {
    return json::parse(text, [&](int depth, json::parse_event_t, json&) {
      if (depth > deepest) refuse(what + " is nested too deeply");
      return true;
    });
  } catch (const json::exception& error) {
    refuse(fmt::format("{} is not valid JSON ({})", what, shown(error.what())));
  }
}

std::string text_of(const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key) || !object[key].is_string()) {
    refuse(fmt::format("the model's configuration lacks the text \"{}\"", key));
  }
  return object[key].get<std::string>();
}

const json& member(const json& object, const char* key, const std::string& where) {
  if (!object.is_object() || !object.contains(key)) {
    refuse(fmt::format("{}: the configuration lacks \"{}\"", where, key));
  }
  return object[key];
}

}  // namespace lockstep::programs
